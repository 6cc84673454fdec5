// Children.
#include "sandbox/pool/launchers.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <utility>

#include "sandbox/base/process.h"
#include "sandbox/base/socket.h"
#include "sandbox/base/subprocess.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/base/text.h"
#include "sandbox/pool/protocol.h"
#include "sandbox/relay/command.h"

namespace cellblock::sandbox::pool {

Launchers::~Launchers() {
    for (const auto& [process, launcher] : launchers_) {
        loop_.forget(launcher.handle.get());
        if (launcher.report.valid()) {
            loop_.forget(launcher.report.get());
        }
    }
    for (const auto& [process, handle] : clearing_) {
        loop_.forget(handle.get());
    }
}

Result<Launchers::Started> Launchers::start(std::uint64_t number, const LaunchOrderFile& order, int warden,
                                            int control) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto report, make_socket_pair(SOCK_SEQPACKET, "start a launcher"));
    Launcher launcher;
    launcher.number = number;
    launcher.report = std::move(report.ours);
    launcher.environment = order.order.environment;
    CELLBLOCK_ASSIGN_OR_RETURN(
        auto process,
        start_own(
            {"launcher", {order.file.get(), warden, control, report.theirs.get()}, order.order.environment}));
    Started started{process, open_pidfd(process)};
    launcher.handle = open_pidfd(process);
    if (!started.handle.valid() || !launcher.handle.valid()) {
        return errno_error("start a launcher");  // its sockets' end is its own
    }
    loop_.watch(launcher.report.get(), [this, pid = process] { hear(pid); });
    loop_.watch(launcher.handle.get(), [this, pid = process] { left(pid); });
    launchers_[process] = std::move(launcher);
    return started;
}

void Launchers::was_given(pid_t process) {
    if (const auto found = launchers_.find(process); found != launchers_.end()) {
        found->second.is_ours = false;
    }
}

void Launchers::hear(pid_t process) {
    Launcher& launcher = launchers_.at(process);
    loop_.forget(launcher.report.get());
    auto message = receive_message(launcher.report.get(), std::chrono::milliseconds(0));
    launcher.report.reset();
    if (!message) {
        return heard_.failed(launcher.number, "it was ended while it made a sandbox");
    }
    const std::string_view text = std::string_view(message->bytes).substr(1);
    const auto parts = message->bytes.front() == kGiven ? launch_report_from(text) : std::nullopt;
    const auto spec = parts ? relay::spec_from(parts->spec) : std::nullopt;
    if (!spec) {
        return heard_.failed(launcher.number, printable(text));
    }
    launcher.spec = *spec;
    heard_.made(launcher.number, *parts);
}

// Its word comes before its end.
void Launchers::left(pid_t process) {
    if (launchers_.at(process).report.valid()) {
        hear(process);
    }
    auto gone = launchers_.extract(process);
    const Launcher& launcher = gone.mapped();
    loop_.forget(launcher.handle.get());
    int status = 0;
    while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status) && launcher.is_ours && !launcher.spec.command.empty()) {
        clear_away_after(launcher);
    }
    heard_.ended(launcher.number, process, status);
}

// It may take some seconds and needs the session's environment, so a child does it. It forks by libc's fork,
// after which it may allocate, whatever the threads of run_in_background() do.
void Launchers::clear_away_after(const Launcher& launcher) {
    const pid_t child = ::fork();
    if (child == 0) {
        close_range(3, ~0U, 0);
        auto environment = pointers(launcher.environment);
        ::environ = environment.data();
        relay::clear_away(launcher.spec);
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
