// Children.
#include "sandbox/pool/launchers.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <utility>

#include "sandbox/base/process.h"
#include "sandbox/base/socket.h"
#include "sandbox/base/subprocess.h"
#include "sandbox/base/text.h"
#include "sandbox/pool/protocol.h"
#include "sandbox/relay/command.h"

namespace cellblock::sandbox::pool {

Makers::~Makers() {
    for (const auto& [process, maker] : makers_) {
        loop_.forget(maker.handle.get());
        if (maker.report.valid()) {
            loop_.forget(maker.report.get());
        }
    }
    for (const auto& [process, handle] : clearing_) {
        loop_.forget(handle.get());
    }
}

Result<Makers::Started> Makers::start(std::uint64_t number, const OrderFile& order, int warden, int control) {
    auto report = make_socket_pair(SOCK_SEQPACKET, "start a maker");
    if (!report) {
        return report.error();
    }
    Maker maker;
    maker.number = number;
    maker.report = std::move(report->ours);
    maker.environment = order.order.environment;
    auto process = start_own(
        {"make", {order.file.get(), warden, control, report->theirs.get()}, order.order.environment});
    if (!process) {
        return process.error();
    }
    Started started{*process, open_pidfd(*process)};
    maker.handle = open_pidfd(*process);
    if (!started.handle.valid() || !maker.handle.valid()) {
        return errno_error("start a maker");  // its sockets' end is its own
    }
    loop_.watch(maker.report.get(), [this, pid = *process] { hear(pid); });
    loop_.watch(maker.handle.get(), [this, pid = *process] { left(pid); });
    makers_[*process] = std::move(maker);
    return started;
}

void Makers::was_given(pid_t process) {
    if (const auto found = makers_.find(process); found != makers_.end()) {
        found->second.is_ours = false;
    }
}

void Makers::hear(pid_t process) {
    Maker& maker = makers_.at(process);
    loop_.forget(maker.report.get());
    auto message = receive_message(maker.report.get(), std::chrono::milliseconds(0));
    maker.report.reset();
    if (!message) {
        return heard_.failed(maker.number, "it was ended while it made a sandbox");
    }
    const std::string_view text = std::string_view(message->bytes).substr(1);
    const auto parts = message->bytes.front() == kGiven ? made_parts_from(text) : std::nullopt;
    const auto spec = parts ? relay::spec_from(parts->spec) : std::nullopt;
    if (!spec) {
        return heard_.failed(maker.number, printable(text));
    }
    maker.spec = *spec;
    heard_.made(maker.number, *parts);
}

// Its word comes before its end.
void Makers::left(pid_t process) {
    if (makers_.at(process).report.valid()) {
        hear(process);
    }
    auto gone = makers_.extract(process);
    const Maker& maker = gone.mapped();
    loop_.forget(maker.handle.get());
    int status = 0;
    while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status) && maker.is_ours && !maker.spec.command.empty()) {
        clear_away_after(maker);
    }
    heard_.ended(maker.number, process, status);
}

// It may take some seconds and needs the session's environment, so a child does it. It forks by libc's fork,
// after which it may allocate, whatever the threads of beside() do.
void Makers::clear_away_after(const Maker& maker) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::close_range(3, ~0U, 0);
        auto environment = pointers(maker.environment);
        ::environ = environment.data();
        relay::clear_away(maker.spec);
        ::_exit(0);
    }
    UniqueFd handle = child > 0 ? open_pidfd(child) : UniqueFd();
    if (handle.valid()) {
        loop_.watch(handle.get(), [this, child] {
            loop_.forget(clearing_.at(child).get());
            while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
            }
            clearing_.erase(child);
        });
        clearing_[child] = std::move(handle);
    }
}

}  // namespace cellblock::sandbox::pool
