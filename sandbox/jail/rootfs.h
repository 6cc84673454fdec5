// Building the jail's root and moving into it.
//
// Purpose: carries out a plan's FileSteps in the mount namespace of the calling
// process. The host's sources are opened first (as detached, already read-only
// copies of their mounts), so it doesn't matter what the new root covers.
// Threads: runs after fork; no allocation, locks or exceptions.
// Failure: the step and errno; the caller then ends.
#pragma once

#include "sandbox/jail/plan.h"
#include "sandbox/jail/report.h"

namespace cellblock::sandbox::jail {

// After this, "/" is the jail's root and the host's is gone.
Failure build_root(const JailPlan& plan);

}  // namespace cellblock::sandbox::jail
