// `cellblock make`: a process that makes one sandbox by an order, and then is its relay.
//
// Purpose: what an engine's start does in a session's own process is done here,
// ahead of the session. The sandbox's name and control groups are this process's,
// which lives as long as the sandbox: whoever finds it gone may clear away.
// Ownership: of the descriptors, and of all that it makes. Threads: one; the
// process is its own. Failure: told on `report`, and by the exit status.
#pragma once

#include "sandbox/api/unique_fd.h"
#include "sandbox/relay/relay.h"

namespace cellblock::sandbox::pool {

// Descriptors of `cellblock make`; warden and control are where a relay has them.
inline constexpr int kOrderFd = relay::kSpecFd;
inline constexpr int kReportFd = relay::kControlFd + 1;

// What it says on `report`, once: kGiven and MadeParts, or kRefused and why.

// Until the control socket ends. The exit status, as a jail's supervisor has it.
int make_and_serve(UniqueFd order, UniqueFd warden, UniqueFd control, UniqueFd report);

}  // namespace cellblock::sandbox::pool
