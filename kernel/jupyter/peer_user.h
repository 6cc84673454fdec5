// Tells which user of this machine is at a connection's other end.
//
// Purpose: ZMQ knows nothing of a peer but its address, while the Linux kernel knows who made each socket of
// this machine. A PeerUsers opens the descriptors that it asks through once, so that asking needs none later.
// One thread at a time. A user who can't be found is one of the answers.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <cstdint>

#include "sandbox/api/unique_fd.h"

namespace cellblock::kernel {

// The process at a connection's other end, as far as this host can tell.
struct PeerUser {
    enum class Kind {
        known,      // a process of this machine, of the user `user`
        elsewhere,  // of another machine or network namespace
        gone,       // nobody holds that socket any more
        unknown,    // nothing here tells
    };
    Kind kind = Kind::unknown;
    uid_t user = 0;
};

class PeerUsers {
public:
    // `tables_alone`: reads /proc/net/tcp even where sock_diag is there; for tests.
    explicit PeerUsers(bool tables_alone = false);
    // The user at the other end of `connected`, a connected socket of TCP or a Unix one.
    [[nodiscard]] PeerUser of(int connected);
    // False: the answer for each TCP connection will be `unknown`.
    [[nodiscard]] bool can_tell() const { return diagnosis_.valid() || tcp_.valid(); }

private:
    PeerUser ask_kernel(const sockaddr_storage& peer, const sockaddr_storage& own);
    PeerUser look_in_tables(const sockaddr_storage& peer, const sockaddr_storage& own);

    sandbox::UniqueFd diagnosis_;  // netlink; where it can't be had:
    sandbox::UniqueFd tcp_;        // /proc/net/tcp
    sandbox::UniqueFd tcp6_;       // /proc/net/tcp6
    std::uint32_t asked_ = 0;
};

}  // namespace cellblock::kernel
