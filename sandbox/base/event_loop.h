// One thread's event loop over descriptors (epoll).
//
// Purpose: whoever waits for a descriptor gives the function that is to be called then; turn() waits and
// calls. Ownership: the loop owns its epoll descriptor alone. A watched descriptor's owner calls forget()
// before closing the descriptor, unless the loop doesn't turn any more. Threads: one. A callback may watch
// and forget any descriptor, its own too.
//
//     EventLoop loop;
//     loop.watch(socket.get(), [&] { read_from(socket); });
//     while (!done) { loop.turn(std::chrono::seconds(1)); }
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>

#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"

namespace cellblock::sandbox {

class EventLoop {
public:
    using Clock = std::chrono::steady_clock;

    // The events that a descriptor is watched for, and those that have happened to it.
    struct Interest {
        bool reads = false;
        bool writes = false;
        bool hangup = false;  // the other end is gone, or an error; comes with each of the other two also

        friend bool operator==(const Interest&, const Interest&) = default;
    };

    static constexpr std::chrono::milliseconds kForever{-1};

    EventLoop();

    // From now on `ready` is called at each turn at which there is something to read, or the other end is
    // gone. False: the descriptor can't be watched and is never ready.
    bool watch(int fd, std::function<void()> ready);
    // The same with what has happened; `interest` may change later. No interest at all: the descriptor isn't
    // looked at, even where its other end is gone.
    bool watch(int fd, Interest interest, std::function<void(Interest)> ready);
    void set_interest(int fd, Interest interest);
    void forget(int fd);

    // Waits until a descriptor is ready, a signal comes or the time is over; then calls the functions of what
    // is ready, in the order in which the descriptors were watched first. Error: this loop can't wait at all.
    Status turn(std::chrono::milliseconds most);

private:
    struct Watched {
        std::uint32_t number;  // tells a descriptor from a later one of the same number
        Interest interest;
        std::function<void(Interest)> ready;
    };

    bool change(int fd, Watched& watched, Interest interest);

    UniqueFd epoll_;
    std::uint32_t last_ = 0;
    std::map<int, Watched> watched_;
};

}  // namespace cellblock::sandbox
