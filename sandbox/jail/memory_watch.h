// Bounds the sum of a jail's memory, where no control group does.
//
// Purpose: the warden calls look() as often as the result says, and kills the process that the result names.
// What counts is what the kernel tells of a process (statm), never what the process says of itself; page
// tables count too, and sockets with what their buffers can hold. Shared pages are told apart only once the
// plain sum is over the limit, since that costs the kernel a walk through each process's pages. Threads: one.
// Failure: a process that can't be looked at counts nothing.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>

namespace cellblock::sandbox::jail {

class MemoryWatch {
public:
    struct Seen {
        std::chrono::milliseconds next;  // until the next look
        pid_t victim = 0;  // as kill() takes it. 0: nobody; -1: everybody, as one at a time won't do
    };

    // In bytes; limit 0: there is nothing to watch. `of_socket`: what each socket of the caller's network
    // namespace counts, which is what its buffers can hold.
    MemoryWatch(std::uint64_t limit, std::uint64_t of_socket = 0) : limit_(limit), of_socket_(of_socket) {}

    [[nodiscard]] bool is_on() const { return limit_ > 0; }

    // At all processes that /proc shows, but for the caller.
    [[nodiscard]] Seen look() const;

private:
    std::uint64_t limit_;
    std::uint64_t of_socket_;
};

}  // namespace cellblock::sandbox::jail
