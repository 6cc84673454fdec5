// The user that a jail's processes are, inside and to the host.
//
// Purpose: for root with the needed capabilities, namespaces are made first, and as the last step the process
// becomes a host user id that nobody uses, in a user namespace that owns nothing. For others a user namespace
// comes first, mapped to the caller's own id, and a second one last. Inside, the user is always `cell`
// (1000). Ownership: plain values. Threads: no shared state. Failure: as each function says.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"

namespace cellblock::sandbox::jail {

constexpr unsigned kInsideId = 1000;

struct Identity {
    bool privileged = false;
    uid_t user = 0;  // the host's id that the jail's processes have
    gid_t group = 0;
    std::string first_user_map;  // unprivileged: inside 1000 = the caller
    std::string first_group_map;
    std::string last_user_map;  // of the user namespace made last
    std::string last_group_map;
};

Identity choose_identity();

// User ids that no system gives out.
struct IdRange {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
};

// Gives an id of the range, from `start` on, that no process has. No other sandbox takes the id for as long
// as any process holds `lock`: a jail without namespaces is ended by a signal to all processes of its user.
Result<uid_t> take_unused_user(const IdRange& range, std::uint32_t start, UniqueFd& lock);

// For a jail without namespaces. Root with the needed capabilities gets a user that nobody uses, held by
// `lock`; others get their own.
Result<Identity> choose_identity_without_namespaces(UniqueFd& lock);

}  // namespace cellblock::sandbox::jail
