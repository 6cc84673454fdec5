// Children that nobody waits for.
//
// Purpose: a child that has ended stays in the process table until its parent has collected it, or the
// parent's end hands it to a process that does, which not every container has. The daemon starts processes
// whose end concerns nobody; its loop collects them. Threads: call from any. Failure: none.
#pragma once

#include <sys/types.h>

namespace cellblock::sandbox {

// From now on the child is collect_ended()'s.
void collect_later(pid_t child);

// Collects those that have ended. Never waits.
void collect_ended();

}  // namespace cellblock::sandbox
