// The deadline ladder: SIGINT → grace → SIGKILL of the worker → of the sandbox; and the user's interrupts.
//
// Purpose: decides when a cell has to be pushed, and how hard; does nothing itself. At the deadline a cell
// climbs by itself. A user's interrupt only sends SIGINT and waits: variables are worth more than time. After
// the grace time the user is warned, and the next interrupt kills. The deadline holds all the while.
// Ownership: plain value. Threads: one. Failure: none.
#pragma once

#include <chrono>
#include <optional>

#include "sandbox/api/types.h"

namespace cellblock::sandbox {

// What a client asks beside cells and the user's code answers: completion, inspection, a debugger's view.
constexpr std::chrono::milliseconds kQueryTime{10'000};

// warn: tell the user that the cell has not stopped, and that the next interrupt kills it.
enum class Push { none, interrupt, warn, kill_worker, kill_sandbox };
enum class PushCause { none, deadline, user };
// Can the user see a warning? If not, only the deadline kills.
enum class Warnings { shown, unseen };

class DeadlineLadder {
public:
    using TimePoint = std::chrono::steady_clock::time_point;
    using Milliseconds = std::chrono::milliseconds;

    // How long after a SIGKILL the warden may take to report the worker's end.
    static constexpr Milliseconds kReportTime{2000};

    // A user's interrupt that comes sooner after the last one is the same one.
    static constexpr Milliseconds kRepeatTime{100};
    // A user's interrupt that comes sooner after the warning was not made because of it.
    static constexpr Milliseconds kReadingTime{500};

    DeadlineLadder(TimePoint now, Milliseconds time, Milliseconds grace, Warnings warnings = Warnings::shown);

    // The clock stands still while the cell waits for input.
    void pause(TimePoint now);
    void resume(TimePoint now);

    // The user asks to stop. Pauses end, for what waits is interrupted. Gives the push to make now; none if
    // the deadline's ladder is already being climbed. Before the warning, another interrupt is another
    // SIGINT.
    Push user_interrupt(TimePoint now);

    // The cell has handled the user's interrupt and goes on: the next one is a first one again.
    void went_on();

    // The push that is due, once each.
    Push step(TimePoint now);

    // When step() will have something to do.
    [[nodiscard]] std::optional<TimePoint> next() const;

    [[nodiscard]] PushCause cause() const { return cause_; }
    [[nodiscard]] Rung rung() const { return rung_; }

private:
    [[nodiscard]] bool climbs() const { return rung_ != Rung::none && cause_ == PushCause::deadline; }
    Push kill_worker(TimePoint now);

    Milliseconds grace_;
    Warnings warnings_;
    TimePoint due_;
    TimePoint interrupted_at_;          // by the user, last
    std::optional<TimePoint> warn_at_;  // to come
    std::optional<TimePoint> warned_at_;
    std::optional<TimePoint> paused_at_;
    bool finished_ = false;
    PushCause cause_ = PushCause::none;
    Rung rung_ = Rung::none;
};

}  // namespace cellblock::sandbox
