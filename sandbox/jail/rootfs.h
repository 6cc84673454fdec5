// Builds the jail's root and moves the calling process into it.
//
// Purpose: carries out a plan's FileSteps in the process's mount namespace. The host's sources are opened
// first, as detached copies of their mounts that are read-only already, so it doesn't matter what the new
// root covers. Threads: runs after fork; nothing allocates, locks or throws. Failure: the step and errno; the
// caller must then end.
#pragma once

#include "sandbox/jail/plan.h"
#include "sandbox/jail/report.h"

namespace cellblock::sandbox::jail {

// After this, "/" is the jail's root and the host's is gone.
Failure build_root(const JailPlan& plan);

}  // namespace cellblock::sandbox::jail
