// Ends a jail that has no PID namespace, where the first process's end isn't that of all others.
//
// Purpose: such a jail's supervisor takes in orphans and kills all that lives in the jail when the first
// process ends; a guard process does the same should the supervisor be killed. Threads: after fork, in a
// process with one thread; nothing allocates, locks or throws. Failure: a Failure, or -1 and errno; then the
// jail must not be started.
#pragma once

#include <sys/types.h>

#include "sandbox/jail/plan.h"
#include "sandbox/jail/report.h"

namespace cellblock::sandbox::jail {

// For the supervisor, before the first process: orphans become its children, and it can signal the jail's
// processes and nobody else's.
Failure be_reaper(const JailPlan& plan);

// Forks the guard: it waits for the supervisor's death and then ends the jail. Gives its number. The jail's
// processes can't signal it, since its Landlock domain is the supervisor's, or its user is root.
pid_t start_guard(const JailPlan& plan);

// Kills all of the jail's processes, and waits until none is left.
void kill_everybody(const JailPlan& plan);

}  // namespace cellblock::sandbox::jail
