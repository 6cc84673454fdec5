// Whether a Python may run outside of a sandbox.
//
// Purpose: a zygote imports on the host, as this user; whoever may change what
// it imports is this user then. Ownership: none. Threads: pure.
// Failure: an Error that names the path.
#pragma once

#include "sandbox/base/result.h"
#include "sandbox/daemon/request.h"

namespace cellblock::sandbox::daemon {

// Its program, folders, worker and library, and all folders above them, are ours or root's, and nobody else
// may write to them.
Status is_trusted(const ZygoteSpec& spec);

}  // namespace cellblock::sandbox::daemon
