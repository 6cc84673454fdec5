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
#include "sandbox/pool/learned_imports.h"
#include "sandbox/pool/zygote.h"

namespace cellblock::sandbox::pool {

class Zygotes {
public:
    using Clock = std::chrono::steady_clock;
    struct Listener {
        std::function<void(const Zygote&)> goes;                          // before a zygote is gone
        std::function<void(Zygote&)> heard;                               // its socket is readable
        std::function<void(Zygote&)> ready;                               // it can fork from now on
        std::function<void(const Zygote& before, Zygote& now)> replaced;  // before `before` is gone
    };

    Zygotes(EventLoop& loop, std::chrono::milliseconds idle, LearnedImports& learned, Listener listener)
        : loop_(loop), idle_(idle), learned_(learned), listener_(std::move(listener)) {}

    // A zygote that is ready, starts, or has failed (see its state). Null: no process could be started; see
    // failure().
    Zygote* find_or_start(const ZygoteSpec& spec);
    [[nodiscard]] const std::string& failure() const { return failure_; }
    // A session of this Python imports these. A zygote that learns is replaced by one that has imported them.
    void learn(const std::string& python, const std::vector<std::string>& names);
    // Ends zygotes that take too long or weren't used; starts killed ones again; starts successors of those
    // that have something to learn.
    void look_after();
    [[nodiscard]] Clock::time_point next() const;
    [[nodiscard]] std::vector<Zygote::Figures> figures() const;

private:
    Zygote* start(const ZygoteSpec& spec);
    void became_ready(Zygote& zygote);
    void drop_unfit(const Zygote& zygote);
    [[nodiscard]] bool lacks_something(const Zygote& zygote) const;
    void start_successors();
    void heard_from(Zygote& zygote);
    void log_output(Zygote& zygote);
    void forget(const Zygote& zygote);
    std::list<Zygote>::iterator place_of(const Zygote& zygote);
    void remove(std::list<Zygote>::iterator one);

    EventLoop& loop_;
    std::chrono::milliseconds idle_;
    LearnedImports& learned_;
    Listener listener_;
    Clock::time_point learned_at_;  // the last time
    std::list<Zygote> all_;
    std::vector<const Zygote*> ended_;  // the pool is to drop their forks
    std::string failure_;
};

// Why the zygote isn't ready, for a client that wanted it.
std::string why_not(const Zygote& zygote);
void log(const std::string& line);

}  // namespace cellblock::sandbox::pool
