// The machine that this process runs on, or the part of the machine that the process may use.
//
//     const std::uint64_t most = machine_memory().total / 2;
//     const double threads = machine_cpus();
//
// Threads: pure. Failure: what can't be read bounds nothing.
#pragma once

#include <cstdint>

namespace cellblock::sandbox {

// The machine's memory, or less where a control group above this process bounds it.
struct MachineMemory {
    std::uint64_t total = 0;      // bytes
    std::uint64_t available = 0;  // without swapping
};

MachineMemory machine_memory();

// The processors that this process may run on (sched_getaffinity(2)), or less where a control group above
// gives it less time: 1.5 is the time of one and a half.
double machine_cpus();

}  // namespace cellblock::sandbox
