// The event loop of a server: descriptors, times and signals, on one thread.
//
//     Loop loop;
//     auto watch = loop.watch(session.poll_fd(), [&] { session.advance(sink); });
//     watch->until(session.next_deadline());   // the function is called then too, once
//     loop.run();                               // until stop()
//
// Ownership: who holds a Watch is called; nobody is, once it is destroyed, not even for what has happened
// already. A Watch must not outlive its loop. A callback may destroy its own Watch and others. Failure: what
// can't be watched is never ready.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace cellblock::kernel {

class Watch {
public:
    virtual ~Watch() = default;
    // Calls the function at that time too; nullopt: at none. Holds until it is said anew.
    virtual void until(std::optional<std::chrono::steady_clock::time_point> time) = 0;
};

class Loop {
public:
    Loop();
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    // Calls `ready` whenever the descriptor can be read. -1: at its times alone. The descriptor stays the
    // caller's; it may be closed after the Watch alone.
    std::unique_ptr<Watch> watch(int fd, std::function<void()> ready);
    // Calls the function from the loop, after what runs.
    void post(std::function<void()> call);
    // Calls the function each time that one of these signals comes, instead of what they did; until stop().
    // Other signals may call other functions.
    void on_signals(const std::vector<int>& numbers, const std::function<void()>& call);
    // Runs until stop().
    void run();
    // Runs for so long, or until there is nothing left to do.
    void run_for(std::chrono::milliseconds time);
    void stop();

private:
    friend class HttpServer;
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace cellblock::kernel
