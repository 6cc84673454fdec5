// Opening what a plan shows of the host.
//
// Purpose: sources become detached copies of their mounts, which are read-only (or, devices, without
// executables) before anybody can reach them. A jail's first process opens them itself, or its attendant
// does. Threads: runs after fork; nothing allocates, locks or throws. Failure: the step and errno.
#pragma once

#include <cstdint>

#include "sandbox/jail/plan.h"
#include "sandbox/jail/report.h"

namespace cellblock::sandbox::jail {

// Fills plan.sources for the steps whose `outside` is this. An optional source that isn't there stays -1.
Failure open_sources(const JailPlan& plan, bool outside);

// Adds attributes (MOUNT_ATTR_…) to a mount.
bool restrict_mount(int fd, std::uint64_t attributes, bool recursive);

}  // namespace cellblock::sandbox::jail
