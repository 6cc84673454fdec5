// Whether a Python may run outside of a sandbox.
//
// Purpose: a zygote imports on the host, as this user; whoever may change what
// it imports is this user then. Ownership: none. Threads: pure.
// Failure: an Error that names the path.
#pragma once

#include <sys/types.h>

#include <vector>

#include "sandbox/api/result.h"
#include "sandbox/pool/protocol.h"

namespace cellblock::sandbox::pool {

// The groups that have no member but us and root, as /etc/group and /etc/passwd tell: what they may write to
// is written to by nobody else. Debian's /usr/local belongs to the group staff, which is empty as it is
// delivered.
std::vector<gid_t> groups_of_nobody_else();

// Its program, folders, worker and library, and all folders above them, are ours or root's, and nobody else
// may write to them. What is imported is judged by the zygote (python/zygote/trust.py).
Status is_trusted(const ZygoteSpec& spec);

}  // namespace cellblock::sandbox::pool
