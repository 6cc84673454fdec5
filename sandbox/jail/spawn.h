// From a plan to a running jail, in the host.
//
// Ownership: SpawnedJail's descriptors belong to the caller; closing `control`
// ends the jail, its supervisor and its cgroups. The supervisor is the caller's
// child and must be waited for.
// Threads: other threads may run meanwhile. Failure: an Error; nothing is left.
#pragma once

#include <sys/types.h>

#include "sandbox/base/result.h"
#include "sandbox/base/unique_fd.h"
#include "sandbox/jail/plan.h"

namespace cellblock::sandbox::jail {

struct SpawnedJail {
    pid_t supervisor = -1;
    UniqueFd process;  // the supervisor's pidfd
    UniqueFd control;
    UniqueFd warden;
};

Result<SpawnedJail> spawn_jail(const JailPlan& plan);

}  // namespace cellblock::sandbox::jail
