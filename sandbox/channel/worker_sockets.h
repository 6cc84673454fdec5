// The host's ends of one worker's sockets.
//
// Purpose: makes them and hands their far ends to the warden, which forks a
// worker on them; for Link, and for the daemon's pool, whose workers are started
// before anybody listens. Ownership: of the descriptors. Threads: none.
// Failure: an Error.
#pragma once

#include "sandbox/api/engine.h"
#include "sandbox/api/result.h"

namespace cellblock::sandbox {

Result<WorkerSockets> start_worker(int warden_fd, bool debugger);

}  // namespace cellblock::sandbox
