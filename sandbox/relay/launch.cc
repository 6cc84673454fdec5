// Sockets, and a process between them.
#include "sandbox/relay/launch.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

#include "sandbox/base/memory_file.h"
#include "sandbox/base/own_program.h"
#include "sandbox/relay/relay.h"

namespace cellblock::sandbox::relay {

namespace {

constexpr const char* kStep = "start a relay";
static_assert(kSpecFd == kFirstGiven && kWardenFd == kSpecFd + 1 && kControlFd == kWardenFd + 1);

}  // namespace

Result<RelaySockets> make_sockets() {
    std::array<int, 2> control{};
    std::array<int, 2> warden{};
    RelaySockets made;
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control.data()) != 0) {
        return errno_error(kStep);
    }
    made.control.reset(control[0]);
    made.their_control.reset(control[1]);
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, warden.data()) != 0) {
        return errno_error(kStep);
    }
    made.warden.reset(warden[0]);
    made.their_warden.reset(warden[1]);
    ::fcntl(made.warden.get(), F_SETFL, O_NONBLOCK);
    return made;
}

Result<RelayProcess> launch(const Spec& spec) {
    auto file = memory_file(to_bytes(spec));
    if (!file) {
        return file.error();
    }
    auto sockets = make_sockets();
    if (!sockets) {
        return sockets.error();
    }
    auto pid = start_own({"relay", {file->get(), sockets->their_warden.get(), sockets->their_control.get()}});
    if (!pid) {
        return pid.error();
    }
    RelayProcess relay;
    relay.pid = *pid;
    relay.control = std::move(sockets->control);
    relay.warden = std::move(sockets->warden);
    relay.handle.reset(static_cast<int>(::syscall(SYS_pidfd_open, relay.pid, 0)));
    return relay;
}

}  // namespace cellblock::sandbox::relay
