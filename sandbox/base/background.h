// Work in the background: for what takes time and nobody waits for.
//
// Purpose: kernel and daemon have one loop each, which must not wait until a sandbox is gone, a container is
// removed or a folder is swept. Each piece of work has a thread of its own, so that a hanging one holds up no
// other. Work must end by itself in bounded time: the program waits for all of it when it returns from
// main(), so that nothing of a sandbox stays behind. Ownership: the work's own. Threads: call from any; work
// runs with all signals blocked. Failure: where no thread can be had, or 64 pieces run already, the work is
// done at once.
#pragma once

#include <functional>

namespace cellblock::sandbox {

void run_in_background(std::function<void()> work);

// Waits until all work is done.
void finish_background_work();

// True while finish_background_work() or the program's end waits: work that another process goes on with by
// itself may stop then.
bool is_finishing();

}  // namespace cellblock::sandbox
