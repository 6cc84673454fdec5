// From a plan to a running jail, in the host.
//
// Ownership: SpawnedJail's descriptors belong to the caller; closing `control`
// ends the jail, its supervisor and its cgroups. The supervisor is the caller's
// child and must be waited for.
// Threads: other threads may run meanwhile. Failure: an Error; nothing is left.
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

Result<SpawnedJail> spawn_jail(const JailPlan& plan);

// What host and jail speak through. All are 10 or above.
struct Pair {
    UniqueFd ours;  // of `output`: what is read from, which the supervisor does
    UniqueFd theirs;
};

struct JailEnds {
    Pair control;
    Pair warden;
    Pair output;
};

Result<JailEnds> make_ends();

// The host's ends, once the jail has its own.
void keep_ours(SpawnedJail& jail, JailEnds ends);

}  // namespace cellblock::sandbox::jail
