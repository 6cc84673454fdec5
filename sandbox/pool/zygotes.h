// All zygotes of a daemon.
//
// Purpose: keeps a zygote for each Python and preload list; starts them again when they die, fail or their
// files change; keeps a few at most, and ends those first that were unused for longest. Ownership: of the
// zygotes. Threads: one. Failure: told by failure(), and by each zygote's state.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <string>
#include <vector>

#include "sandbox/base/event_loop.h"
#include "sandbox/pool/zygote.h"

namespace cellblock::sandbox::pool {

class Zygotes {
public:
    using Clock = std::chrono::steady_clock;
    using Goes = std::function<void(const Zygote&)>;  // called before a zygote is gone

    // `heard`: a zygote's socket is readable.
    Zygotes(EventLoop& loop, std::chrono::milliseconds idle, Goes goes, std::function<void(Zygote&)> heard)
        : loop_(loop), idle_(idle), goes_(std::move(goes)), heard_(std::move(heard)) {}

    // A zygote that is ready, starts, or has failed (see its state). Null: no process could be started; see
    // failure().
    Zygote* find_or_start(const ZygoteSpec& spec);
    [[nodiscard]] const std::string& failure() const { return failure_; }
    // Ends zygotes that take too long or weren't used; starts killed ones again.
    void look_after();
    [[nodiscard]] Clock::time_point next() const;
    [[nodiscard]] std::vector<Zygote::Figures> figures() const;

private:
    Zygote* start(const ZygoteSpec& spec);
    void heard_from(Zygote& zygote);
    void log_output(Zygote& zygote);
    void forget(const Zygote& zygote);
    void remove(std::list<Zygote>::iterator one);

    EventLoop& loop_;
    std::chrono::milliseconds idle_;
    Goes goes_;
    std::function<void(Zygote&)> heard_;
    std::list<Zygote> all_;
    std::vector<const Zygote*> ended_;  // the pool is to drop their forks
    std::string failure_;
};

// Why the zygote isn't ready, for a client that wanted it.
std::string why_not(const Zygote& zygote);
void log(const std::string& line);

}  // namespace cellblock::sandbox::pool
