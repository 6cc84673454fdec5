// The filter of system calls that a jail's processes run under.
//
// Purpose: default deny. What scientific Python needs is allowed by name
// (allowed_calls.h), a few calls by their arguments; all else is refused, and
// foreign conventions (32 bit, x32) end the process. Calls newer than the
// headers that this was built with don't exist inside.
// Threads: pure. Failure: an Error; then no jail is started.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <vector>

#include "sandbox/api/result.h"

namespace cellblock::sandbox::jail {

// What else stands, for what would be missed by others need not be denied here.
struct FilterOptions {
    bool memory_is_limited = false;  // the sum, by a cgroup: see calls_with_memory_of_their_own()
    bool namespaces = true;          // without them: no sockets, nothing that reaches other processes
    bool own_user = true;            // nobody else's files are that user's
    bool builder = false;            // threads but no new process; no Unix socket by name
    bool makes_jails = false;        // a warm Python's: what its forks need to walk into jails of their own
};

// machine: one of libseccomp's SCMP_ARCH_ numbers; 0: this one.
Result<std::vector<sock_filter>> build_filter(const FilterOptions& options, std::uint32_t machine = 0);

}  // namespace cellblock::sandbox::jail
