// The memory that a sandbox's processes use.
//
// Threads: pure. Failure: a process that may not be looked at counts nothing.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace cellblock::sandbox::pool {

// Bytes that a sandbox's processes share with nobody, by their supervisor's process id.
std::uint64_t own_memory(pid_t supervisor);

// One process's resident memory in bytes, shared pages included.
std::uint64_t resident_memory(pid_t process);

}  // namespace cellblock::sandbox::pool
