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

#include "sandbox/daemon/loop.h"
#include "sandbox/daemon/place.h"
#include "sandbox/daemon/zygote.h"

namespace cellblock::sandbox::daemon {

class Zygotes {
public:
    using Clock = std::chrono::steady_clock;
    using Goes = std::function<void(const Zygote&)>;  // called before one is no more

    Zygotes(Loop& loop, const Place& place, std::chrono::milliseconds idle)
        : loop_(loop), place_(place), idle_(idle) {}

    // One that is ready, or on its way, or can't be had (its state tells). Null: it can't be started,
    // says failure(). `heard`: something has come on its socket.
    Zygote* find_or_start(const ZygoteSpec& spec, const Goes& goes,
                          const std::function<void(Zygote&)>& heard);
    [[nodiscard]] const std::string& failure() const { return failure_; }
    // Ends those that take too long or weren't used.
    void look_after(const Goes& goes);
    [[nodiscard]] Clock::time_point next() const;
    [[nodiscard]] std::vector<Zygote::Figures> figures() const;

private:
    void heard_from(Zygote& zygote, const std::function<void(Zygote&)>& heard);
    void remove(std::list<Zygote>::iterator one, const Goes& goes);

    Loop& loop_;
    const Place& place_;
    std::chrono::milliseconds idle_;
    std::list<Zygote> all_;
    std::vector<const Zygote*> ended_;  // their forks are to be dropped
    std::string failure_;
};

// For who wanted one that isn't ready.
std::string why_not(const Zygote& zygote);
void log(const std::string& line);

}  // namespace cellblock::sandbox::daemon
