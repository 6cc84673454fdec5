// Which user of this machine is at a connection's other end.
//
// Purpose: ZMQ knows of a peer its address alone. The Linux kernel knows who made each socket of this
// machine. Ownership: the descriptors that are asked through, opened once, so that asking needs none later.
// Threads: one at a time. Failure: in the answer.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <cstdint>

#include "sandbox/api/unique_fd.h"

namespace cellblock::kernel {

// The user at the other end of `connected`, a connected socket of TCP or a Unix one.
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
    // `tables_alone`: without sock_diag, as on kernels that lack it.
    explicit PeerUsers(bool tables_alone = false);
    [[nodiscard]] PeerUser of(int connected);
    // False: of TCP every answer is `unknown`.
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
