// The end of a jail that has no PID namespace, whose first process's end is not that of all others.
//
// Purpose: for the supervisor of a contained jail: orphans come to it, and all
// that lives in there is killed when it or the supervisor ends.
// Threads: after fork, in a process with one thread; nothing allocates, locks or throws.
// Failure: a Failure, or -1 and errno; then the jail is not to be started.
#pragma once

#include <sys/types.h>

#include "sandbox/jail/plan.h"
#include "sandbox/jail/report.h"

namespace cellblock::sandbox::jail {

// Orphans come to the caller, and what it can signal is the jail and nothing else.
Failure be_reaper(const JailPlan& plan);

// Outlives a supervisor that is killed, for as long as it takes to end its jail
// too. What lives in there can't signal this one: its Landlock domain is the
// supervisor's, or its user is root.
pid_t start_guard(const JailPlan& plan);

// All but the caller, until none is left.
void kill_everybody(const JailPlan& plan);

}  // namespace cellblock::sandbox::jail
