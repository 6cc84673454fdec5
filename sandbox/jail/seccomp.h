// The system calls that a jail's processes don't get.
//
// Purpose: a filter that takes away what opens the kernel's rarely used or
// privileged parts, and leaves what scientific Python needs. It stops no
// ordinary file or process call; that is for namespaces and limits.
// Everything newer than the headers this was built with doesn't exist inside.
// Threads: pure. Failure: an Error; then no jail is started.
#pragma once

#include <linux/filter.h>

#include <vector>

#include "sandbox/base/result.h"

namespace cellblock::sandbox::jail {

Result<std::vector<sock_filter>> build_filter();

}  // namespace cellblock::sandbox::jail
