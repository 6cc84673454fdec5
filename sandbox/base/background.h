// Work beside the loop: what takes its time and nobody waits for.
//
// Purpose: kernel and daemon have one loop each, which must not wait for a sandbox to be gone, a container to
// be removed or a folder to be swept. Each work has a thread of its own, so that one that hangs holds up no
// other. Ownership: the work's own. Each must end by itself in bounded time: the program waits for all of
// them when it ends (returns from main), so that nothing of a sandbox stays behind. Threads: from any. Work
// runs with all signals blocked. Failure: where no thread can be had, it is done at once.
#pragma once

#include <functional>

namespace cellblock::sandbox {

void beside(std::function<void()> work);

// Until all that was given is done.
void finish_beside();

// The program waits for what is left to do: work that others go on with by themselves may be cut short.
bool is_finishing();

}  // namespace cellblock::sandbox
