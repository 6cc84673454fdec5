// All zygotes of a daemon.
//
// Purpose: one for each Python and preload list; makes them anew when they die,
// fail or their files change; at most a few, the longest unused go first.
// Ownership: of the zygotes. Threads: one. Failure: failure(), and each one's state.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <string>
#include <vector>

#include "sandbox/base/event_loop.h"
#include "sandbox/pool/runtime_directory.h"
#include "sandbox/pool/zygote.h"

namespace cellblock::sandbox::pool {

class Zygotes {
public:
    using Clock = std::chrono::steady_clock;
    using Goes = std::function<void(const Zygote&)>;  // called before one is no more

    // `heard`: something has come on one's socket.
    Zygotes(EventLoop& loop, const Place& place, std::chrono::milliseconds idle, Goes goes,
            std::function<void(Zygote&)> heard)
        : loop_(loop), place_(place), idle_(idle), goes_(std::move(goes)), heard_(std::move(heard)) {}

    // One that is ready, or on its way, or can't be had (its state tells). Null: it can't be started,
    // says failure().
    Zygote* find_or_start(const ZygoteSpec& spec);
    [[nodiscard]] const std::string& failure() const { return failure_; }
    // Ends those that take too long or weren't used; starts those again that were killed.
    void look_after();
    [[nodiscard]] Clock::time_point next() const;
    [[nodiscard]] std::vector<Zygote::Figures> figures() const;

private:
    Zygote* start(const ZygoteSpec& spec);
    void heard_from(Zygote& zygote);
    void remove(std::list<Zygote>::iterator one);

    EventLoop& loop_;
    const Place& place_;
    std::chrono::milliseconds idle_;
    Goes goes_;
    std::function<void(Zygote&)> heard_;
    std::list<Zygote> all_;
    std::vector<const Zygote*> ended_;  // their forks are to be dropped
    std::string failure_;
};

// For who wanted one that isn't ready.
std::string why_not(const Zygote& zygote);
void log(const std::string& line);

}  // namespace cellblock::sandbox::pool
