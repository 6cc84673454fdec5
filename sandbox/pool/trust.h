// A check whether a Python may run outside of a sandbox: nobody else may be able to change its files.
//
// Purpose: a zygote imports on the host, as this user, so whoever may change its files could act as this
// user. Ownership: none. Threads: pure. Failure: an Error that names the path.
#pragma once

#include <sys/types.h>

#include <vector>

#include "sandbox/api/result.h"
#include "sandbox/pool/protocol.h"

namespace cellblock::sandbox::pool {

// The groups that have no member but this user and root, by /etc/group and /etc/passwd: what these groups may
// write to is written by nobody else. (Debian's /usr/local belongs to the group staff, which is empty at
// first.)
std::vector<gid_t> groups_of_nobody_else();

// Error: the program, the folders, the worker or the library, or a folder above them, belongs to somebody
// else than this user and root, or somebody else may write to it. The zygote judges what it imports
// (python/zygote/trust.py).
Status is_trusted(const ZygoteSpec& spec);

}  // namespace cellblock::sandbox::pool
