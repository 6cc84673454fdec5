// One thread's loop over descriptors.
//
// Purpose: who waits for a descriptor gives what is to be done then. Ownership:
// of the epoll descriptor; those that are watched stay their owners', who forget
// them here before they close them. Threads: one.
// Failure: a descriptor that can't be watched is never ready.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>

#include "sandbox/api/unique_fd.h"

namespace cellblock::sandbox::pool {

class Loop {
public:
    using Clock = std::chrono::steady_clock;

    Loop();
    // `ready` is called each time there is something to read, or the other end is gone.
    void watch(int fd, std::function<void()> ready);
    void forget(int fd);
    // Waits until something is ready, a signal comes or the time is over; calls what is to be called.
    void turn(std::chrono::milliseconds most);

private:
    struct Watched {
        std::uint32_t turn;  // a number that is used again meanwhile isn't mistaken
        std::function<void()> ready;
    };

    UniqueFd epoll_;
    std::uint32_t last_ = 0;
    std::map<int, Watched> watched_;
};

}  // namespace cellblock::sandbox::pool
