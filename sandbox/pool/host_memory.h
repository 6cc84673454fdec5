// How much memory there is for this process and those like it.
//
// Purpose: the machine's, or less where a control group above bounds it.
// Threads: pure. Failure: what can't be read bounds nothing.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace cellblock::sandbox::pool {

struct HostMemory {
    std::uint64_t total = 0;      // bytes
    std::uint64_t available = 0;  // without swapping
};

HostMemory host_memory();

// What the processes of a sandbox have to themselves, by their supervisor's process id: not what forks
// share. Its first process is ours and counts nothing where it may not be looked at.
std::uint64_t own_memory(pid_t supervisor);

// Of one process; what it shares with others too.
std::uint64_t resident_memory(pid_t process);

}  // namespace cellblock::sandbox::pool
