// Starts a planned jail from the host.
//
// Ownership: SpawnedJail's descriptors are the caller's; closing `control` ends the jail and its supervisor,
// which removes the control groups. The supervisor is the caller's child, who must wait for it. Threads:
// other threads may run meanwhile. Failure: an Error, and nothing is left.
#pragma once

#include <sys/types.h>

#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"
#include "sandbox/jail/plan.h"

namespace cellblock::sandbox::jail {

struct SpawnedJail {
    pid_t supervisor = -1;
    UniqueFd process;  // the supervisor's pidfd
    UniqueFd control;
    UniqueFd warden;
};

// Gives at once: how the start goes on is told through `control` (report.h).
Result<SpawnedJail> spawn_jail(const JailPlan& plan);

// The two ends of a socket pair or pipe. All are kFirstFree (enter.h) or above, as lower numbers have a
// meaning in a jail.
struct Pair {
    UniqueFd ours;  // the host's; of `output` the end that the supervisor reads
    UniqueFd theirs;
};

// Connected sockets, closed on exec; `type` is SOCK_STREAM or SOCK_SEQPACKET.
Result<Pair> socket_pair(int type);

struct JailEnds {
    Pair control;
    Pair warden;
    Pair output;
};

Result<JailEnds> make_ends();

// Gives the host's ends to `jail` and closes the others.
void keep_ours(SpawnedJail& jail, JailEnds ends);

}  // namespace cellblock::sandbox::jail
