// A relay's sandbox.
#include "sandbox/engines/relayed_sandbox.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <utility>

#include "sandbox/base/background.h"
#include "sandbox/base/process.h"
#include "sandbox/base/socket.h"
#include "sandbox/base/text.h"
#include "sandbox/jail/process_usage.h"
#include "sandbox/relay/command.h"
#include "sandbox/relay/relay.h"

namespace cellblock::sandbox {

namespace {

constexpr int kTimeToAnswer = 1000;  // milliseconds
constexpr std::chrono::milliseconds kPause{250};
constexpr std::chrono::seconds kTimeToLeave{5};
constexpr std::chrono::seconds kTimeToClear{60};  // more than a relay takes at most

bool ready(int fd, int milliseconds) {
    pollfd wanted{fd, POLLIN, 0};
    int count = 0;
    do {
        count = ::poll(&wanted, 1, milliseconds);
    } while (count < 0 && errno == EINTR);
    return count > 0;
}

}  // namespace

// A relay that still removes a container goes on to do so by itself; one that was killed can't.
RelayedSandbox::~RelayedSandbox() {
    ::shutdown(relay_.control.get(), SHUT_WR);
    run_in_background(
        [relay = std::make_shared<relay::RelayProcess>(std::move(relay_)), spec = std::move(spec_)] {
            const auto begin = std::chrono::steady_clock::now();
            while (!ends_within(relay->handle.get(), kPause)) {
                const auto passed = std::chrono::steady_clock::now() - begin;
                if (passed > kTimeToClear || (passed > kTimeToLeave && is_finishing())) {
                    return;
                }
            }
            bool cleared = false;
            char first = 0;
            ssize_t size = 0;  // of the whole message: a reason may begin with any byte
            while ((size = ::recv(relay->control.get(), &first, 1, MSG_DONTWAIT | MSG_TRUNC)) > 0) {
                cleared = size == 1 && first == relay::kCleared;
            }
            (void)::waitpid(relay->pid, nullptr, WNOHANG);  // the daemon's aren't our children
            if (!cleared) {
                relay::clear_away(spec);
            }
        });
}

void RelayedSandbox::kill() {
    (void)::send(relay_.control.get(), &relay::kKillRequest, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

SandboxUsage RelayedSandbox::usage() const {
    const SandboxUsage usage = usage_.now();
    return usage.measured || !facts_.children ? usage : jail::usage_below(relay_.pid);
}

bool RelayedSandbox::take_door() const {
    char first = 0;
    const ssize_t size = ::recv(relay_.control.get(), &first, 1, MSG_DONTWAIT | MSG_PEEK | MSG_TRUNC);
    if (size != 1 || first != relay::kDoor) {
        return false;
    }
    auto received = receive_with_descriptors(relay_.control.get(), {&first, 1});
    door_ = received.descriptors.empty() ? UniqueFd() : std::move(received.descriptors.front());
    return true;
}

Result<UniqueFd> RelayedSandbox::listener() const {
    (void)(door_.valid() || take_door());
    UniqueFd copy(door_.valid() ? ::fcntl(door_.get(), F_DUPFD_CLOEXEC, 0) : -1);
    return copy.valid() ? Result(std::move(copy))
                        : Error{"find the sandbox's way out", 0, "its relay has shown none", {}};
}

std::string RelayedSandbox::death_reason() const {
    std::array<char, relay::kMostReason> text{};
    do {
        if (!ready(relay_.control.get(), kTimeToAnswer)) {
            return {};
        }
    } while (take_door());
    const ssize_t size = ::recv(relay_.control.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_PEEK);
    if (size <= 0) {
        return "the sandbox's relay was killed";
    }
    return printable({text.data(), static_cast<std::size_t>(size)});
}

std::string RelayedSandbox::last_words() {
    kill();
    return death_reason();
}

}  // namespace cellblock::sandbox
