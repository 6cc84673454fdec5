// The policy's limits as resource limits of a process.
//
// A resource limit holds for each process by itself (that on processes: for the jail's user); control groups
// bound the sum. Threads: pure. Failure: none.
#pragma once

#include <cstdint>
#include <vector>

#include "sandbox/jail/plan.h"

namespace cellblock::sandbox::jail {

// The bytes that the buffers of one of a cell's sockets can hold, where no cgroup counts them.
std::uint64_t bytes_of_socket();

// `memory_is_limited`: a cgroup limits the sum, so that a process's own limit is
// set a little lower and Python raises MemoryError before the kernel kills it.
std::vector<ResourceLimit> resource_limits(const Limits& limits, bool memory_is_limited);

// The most processes in a warm Python's jail, those of its sandboxes included: a quarter of the numbers that
// this machine has for processes.
ResourceLimit processes_of_zygote();

// Raises the limit on processes by what the caller runs already: without a user namespace RLIMIT_NPROC counts
// those.
void count_others_processes(JailPlan& plan);

}  // namespace cellblock::sandbox::jail
