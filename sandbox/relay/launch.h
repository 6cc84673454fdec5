// Starts a relay, from the host's side: the process `cellblock relay`, and the host's ends of its sockets.
//
// Ownership: of the descriptors; the caller has to wait for the process. Threads: may be called while others
// run. Failure: an Error; nothing is then left.
#pragma once

#include <sys/types.h>

#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"
#include "sandbox/relay/spec.h"

namespace cellblock::sandbox::relay {

struct RelayProcess {
    pid_t pid = -1;
    UniqueFd handle;   // a pidfd
    UniqueFd control;  // messages as relay.h says; closing it ends everything
    UniqueFd warden;   // non-blocking
};

// Ours and a relay's.
struct RelaySockets {
    UniqueFd control;
    UniqueFd warden;  // non-blocking
    UniqueFd their_control;
    UniqueFd their_warden;
};

Result<RelaySockets> make_sockets();

Result<RelayProcess> launch(const Spec& spec);

}  // namespace cellblock::sandbox::relay
