// `cellblock launcher`: a process that starts one sandbox by an order of the daemon, and then is the
// sandbox's relay.
//
// Purpose: what an engine's start does in a session's own process is done here, ahead of the session. The
// sandbox's name and control groups carry this process's id, and the process lives as long as the sandbox:
// once it is gone, anybody may clear away what has its name. Ownership: of the descriptors, and of all that
// it makes. Threads: one. Failure: told on `report`, and by the exit status.
#pragma once

#include "sandbox/api/unique_fd.h"
#include "sandbox/relay/relay.h"

namespace cellblock::sandbox::pool {

// Descriptors of `cellblock launcher`; warden and control are where a relay has them.
inline constexpr int kOrderFd = relay::kSpecFd;
inline constexpr int kReportFd = relay::kControlFd + 1;

// Its one message on `report`: kGiven and a LaunchReport, or kRefused and the reason.

// Returns after the control socket has ended: the exit status, as a jail's supervisor has it.
int launch_and_serve(UniqueFd order, UniqueFd warden, UniqueFd control, UniqueFd report);

}  // namespace cellblock::sandbox::pool
