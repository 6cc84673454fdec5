// The sum of a jail's memory, where no control group bounds it.
//
// Purpose: looks often enough that the sum can't get far, and names the largest
// process. What a process says of itself is not believed: statm is the
// kernel's. Shared pages are told apart only once the plain sum is over the
// limit, since that costs the kernel a walk through each process's pages. As
// MemoryWatch of sandbox/worker/warden.py.
// Threads: one. Failure: a process that can't be looked at counts nothing.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>

namespace cellblock::sandbox::jail {

class MemoryWatch {
public:
    struct Seen {
        std::chrono::milliseconds next;  // until the next look
        pid_t victim = -1;               // to be killed
    };

    // In bytes; 0: there is nothing to watch.
    explicit MemoryWatch(std::uint64_t limit) : limit_(limit) {}

    [[nodiscard]] bool is_on() const { return limit_ > 0; }

    // At all processes that /proc shows, but for the caller.
    [[nodiscard]] Seen look() const;

private:
    std::uint64_t limit_;
};

}  // namespace cellblock::sandbox::jail
