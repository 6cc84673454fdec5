// The deadline ladder: SIGINT → grace → SIGKILL of the worker → of the sandbox.
//
// Purpose: decides when a cell has to be pushed, and how hard; does nothing
// itself. A user's interrupt enters the ladder at its first rung.
// Ownership: plain value. Threads: one. Failure: none.
#pragma once

#include <chrono>
#include <optional>

#include "sandbox/events.h"

namespace cellblock::sandbox {

// What a client asks beside cells and the user's code answers: completion, inspection, a debugger's view.
constexpr std::chrono::milliseconds kQueryTime{10'000};

enum class Push { none, interrupt, kill_worker, kill_sandbox };
enum class PushCause { none, deadline, user };

class DeadlineLadder {
public:
    using TimePoint = std::chrono::steady_clock::time_point;
    using Milliseconds = std::chrono::milliseconds;

    // How long after a SIGKILL the warden may take to report the worker's end.
    static constexpr Milliseconds kReportTime{2000};

    DeadlineLadder(TimePoint now, Milliseconds time, Milliseconds grace);

    // The clock stands still while the cell waits for input.
    void pause(TimePoint now);
    void resume(TimePoint now);

    // The user asks to stop. Pauses end, for what waits is interrupted.
    // Gives the push to make now; none if the ladder is already being climbed.
    Push user_interrupt(TimePoint now);

    // The push that is due, once each.
    Push step(TimePoint now);

    // When step() will have something to do.
    [[nodiscard]] std::optional<TimePoint> next() const;

    [[nodiscard]] PushCause cause() const { return cause_; }
    [[nodiscard]] Rung rung() const { return rung_; }

private:
    Milliseconds grace_;
    TimePoint due_;
    std::optional<TimePoint> paused_at_;
    bool finished_ = false;
    PushCause cause_ = PushCause::none;
    Rung rung_ = Rung::none;
};

}  // namespace cellblock::sandbox
