// The host's ends of one worker's sockets.
//
// Purpose: makes them and hands their far ends to the warden, which forks a
// worker on them; for Link, and for the daemon's pool, whose workers are started
// before anybody listens. Ownership: of the descriptors. Threads: none.
// Failure: an Error.
#pragma once

#include "sandbox/base/result.h"
#include "sandbox/base/unique_fd.h"

namespace cellblock::sandbox {

struct WorkerSockets {
    UniqueFd worker;
    UniqueFd debugger;  // invalid where the policy has none
};

Result<WorkerSockets> start_worker(int warden_fd, bool debugger);

}  // namespace cellblock::sandbox
