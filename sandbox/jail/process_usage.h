// The memory and processor time of a tree of processes, by /proc: for hosts that give no cgroup.
//
// Purpose: figures to show, not to enforce: CPU time in steps of 10 ms, memory
// as the sum of what each process has to itself, without files in memory; the
// peak is the largest process's. Ownership: none. Threads: no shared state.
// Failure: what can't be read counts as nothing.
#pragma once

#include <sys/types.h>

#include <vector>

#include "sandbox/api/engine.h"

namespace cellblock::sandbox::jail {

// The children of all its threads.
std::vector<pid_t> children_of(pid_t process);

// The sum over all descendants of `root`. `measured`: there was a process to look at.
SandboxUsage usage_below(pid_t root);

}  // namespace cellblock::sandbox::jail
