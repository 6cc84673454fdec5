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
    // The attendant of a nested jail maps its first user namespace, to a user that nobody else has.
    bool mapped_by_attendant = false;
    uid_t user = 0;  // the host's id that the jail's processes have
    gid_t group = 0;
    std::string first_user_map;  // unprivileged or nested: inside 1000 = the caller, or one of the zygote's
    std::string first_group_map;
    std::string last_user_map;  // of the user namespace made last
    std::string last_group_map;

    // Of the host's users, it is another one than the caller.
    [[nodiscard]] bool has_own_user() const { return privileged || mapped_by_attendant; }
};

Identity choose_identity();

// User ids that no system gives out.
struct IdRange {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
};

// The host's users of a warm Python's jail and of all that its forks make: none else has them. Counts are 0
// where the host can give none: then all have the caller's own.
struct IdBlock {
    IdRange users;
    IdRange groups;
};

IdBlock choose_block();

// Of the process that makes such a jail: the block as seen inside, where it is user 1000.
Identity identity_of_keeper(const IdBlock& block);

// Of a jail within it: one of the block's users, as the kernel draws it.
Identity choose_nested_identity(const IdBlock& block);

// Gives an id of the range, from `start` on, that no process has. No other sandbox takes the id for as long
// as any process holds `lock`: a jail without namespaces is ended by a signal to all processes of its user.
Result<uid_t> take_unused_user(const IdRange& range, std::uint32_t start, UniqueFd& lock);

// For a jail without namespaces. Root with the needed capabilities gets a user that nobody uses, held by
// `lock`; others get their own.
Result<Identity> choose_identity_without_namespaces(UniqueFd& lock);

}  // namespace cellblock::sandbox::jail
