// Sockets, and a process between them.
#include "sandbox/relay/launch.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <utility>

#include "sandbox/base/files.h"
#include "sandbox/base/process.h"
#include "sandbox/base/socket.h"
#include "sandbox/base/subprocess.h"
#include "sandbox/relay/relay.h"

namespace cellblock::sandbox::relay {

namespace {

constexpr const char* kStep = "start a relay";
static_assert(kSpecFd == kFirstGiven && kWardenFd == kSpecFd + 1 && kControlFd == kWardenFd + 1);

}  // namespace

Result<RelaySockets> make_sockets() {
    CELLBLOCK_ASSIGN_OR_RETURN(auto control, make_socket_pair(SOCK_SEQPACKET, kStep));
    CELLBLOCK_ASSIGN_OR_RETURN(auto warden, make_socket_pair(SOCK_STREAM, kStep));
    RelaySockets made{std::move(control.ours), std::move(warden.ours), std::move(control.theirs),
                      std::move(warden.theirs)};
    ::fcntl(made.warden.get(), F_SETFL, O_NONBLOCK);
    return made;
}

Result<RelayProcess> launch(const Spec& spec) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto file, memory_file(to_bytes(spec)));
    CELLBLOCK_ASSIGN_OR_RETURN(auto sockets, make_sockets());
    CELLBLOCK_ASSIGN_OR_RETURN(
        auto pid,
        start_own({"relay", {file.get(), sockets.their_warden.get(), sockets.their_control.get()}}));
    RelayProcess relay;
    relay.pid = pid;
    relay.control = std::move(sockets.control);
    relay.warden = std::move(sockets.warden);
    relay.handle = open_pidfd(relay.pid);
    return relay;
}

}  // namespace cellblock::sandbox::relay
