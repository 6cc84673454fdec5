// The policy's limits as resource limits of a process.
//
// They hold for each process by itself (processes: for the jail's user); the
// cgroup's hold for the sum. Threads: pure. Failure: none.
#pragma once

#include <cstdint>
#include <vector>

#include "sandbox/jail/plan.h"

namespace cellblock::sandbox::jail {

// What the buffers of one of a cell's sockets can hold, where no cgroup counts them.
std::uint64_t bytes_of_socket();

// `memory_is_limited`: a cgroup limits the sum, so that a process's own limit is
// set a little lower and Python raises MemoryError before the kernel kills it.
std::vector<ResourceLimit> resource_limits(const Limits& limits, bool memory_is_limited);

// Without a user namespace RLIMIT_NPROC counts all that its user runs: room for those.
void count_others_processes(JailPlan& plan);

}  // namespace cellblock::sandbox::jail
