// The memory that is free for this process and its like, and the memory that processes use.
//
// Purpose: the machine's memory, or less where a control group above bounds it. Threads: pure. Failure: what
// can't be read bounds nothing.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace cellblock::sandbox::pool {

struct HostMemory {
    std::uint64_t total = 0;      // bytes
    std::uint64_t available = 0;  // without swapping
};

HostMemory host_memory();

// Memory that a sandbox's processes share with nobody, by their supervisor's process id. A process that may
// not be looked at counts nothing.
std::uint64_t own_memory(pid_t supervisor);

// One process's resident memory, shared pages included.
std::uint64_t resident_memory(pid_t process);

}  // namespace cellblock::sandbox::pool
