// Escalation: how a cell that has to stop is stopped, step by step.
//
// The steps are SIGINT, after the grace time SIGKILL of the worker, and if the warden doesn't report the
// worker's end, SIGKILL of the whole sandbox. At the deadline a cell goes through all of them. A user's
// interrupt only sends SIGINT and waits, because variables are worth more than time: after the grace time the
// user is warned, and the next interrupt kills. The deadline holds all the while.
//
// The class only decides; its caller carries out the action that advance() and user_interrupt() return:
//
//     Escalation escalation(now, 60s, 2s);
//     escalation.advance(now + 60s);   // EscalationAction::interrupt
//     escalation.advance(now + 62s);   // EscalationAction::kill_worker
//
// A plain value, for one thread.
#pragma once

#include <chrono>
#include <optional>

#include "sandbox/api/types.h"

namespace cellblock::sandbox {

// The deadline of everything that runs the user's code beside cells: completion, inspection, a debugger's
// view.
constexpr std::chrono::milliseconds kQueryTime{10'000};

// The caller's next step. `warn`: tell the user that the cell hasn't stopped, and that the next
// interrupt kills it.
enum class EscalationAction { none, interrupt, warn, kill_worker, kill_sandbox };
enum class EscalationCause { none, deadline, user };
// Tells whether the user can see a warning. If not, only the deadline kills.
enum class Warnings { shown, unseen };

class Escalation {
public:
    using TimePoint = std::chrono::steady_clock::time_point;
    using Milliseconds = std::chrono::milliseconds;

    // How long the warden may take to report the worker's end after a SIGKILL.
    static constexpr Milliseconds kReportTime{2000};

    // Two interrupts of the user within this time count as one.
    static constexpr Milliseconds kRepeatTime{100};
    // An interrupt that comes sooner after the warning was made before the user could read it.
    static constexpr Milliseconds kReadingTime{500};

    // The deadline is `now` + `time`; `grace` is the time from SIGINT to SIGKILL.
    Escalation(TimePoint now, Milliseconds time, Milliseconds grace, Warnings warnings = Warnings::shown);

    // Stop and restart the clock, while the cell waits for input, say.
    void pause(TimePoint now);
    void resume(TimePoint now);

    // The user asks to stop; ends a pause. Returns the action to carry out: none if the deadline has passed
    // already, SIGINT again before the warning, and SIGKILL after it.
    EscalationAction user_interrupt(TimePoint now);

    // The cell has handled the user's interrupt and goes on: the next interrupt counts as a first one.
    void cell_continues();

    // The action that is due, each of them once.
    EscalationAction advance(TimePoint now);

    // When advance() will return an action; nullopt: never by itself.
    [[nodiscard]] std::optional<TimePoint> next_deadline() const;

    // The cause that started the escalation.
    [[nodiscard]] EscalationCause cause() const { return cause_; }
    // The last step that was taken.
    [[nodiscard]] EscalationStep step() const { return step_; }

private:
    [[nodiscard]] bool by_deadline() const {
        return step_ != EscalationStep::none && cause_ == EscalationCause::deadline;
    }
    EscalationAction kill_worker(TimePoint now);

    Milliseconds grace_;
    Warnings warnings_;
    TimePoint due_;                     // of the next step
    TimePoint interrupted_at_;          // the user's last interrupt
    std::optional<TimePoint> warn_at_;  // a warning that is still to come
    std::optional<TimePoint> warned_at_;
    std::optional<TimePoint> paused_at_;
    bool finished_ = false;  // no step is left
    EscalationCause cause_ = EscalationCause::none;
    EscalationStep step_ = EscalationStep::none;
};

}  // namespace cellblock::sandbox
