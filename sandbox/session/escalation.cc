// The steps of an escalation, and their times.
#include "sandbox/session/escalation.h"

#include <algorithm>

namespace cellblock::sandbox {

Escalation::Escalation(TimePoint now, Milliseconds time, Milliseconds grace, Warnings warnings)
    : grace_(grace), warnings_(warnings), due_(now + time) {}

void Escalation::pause(TimePoint now) {
    if (!paused_at_ && step_ == EscalationStep::none) {
        paused_at_ = now;
    }
}

void Escalation::resume(TimePoint now) {
    if (paused_at_) {
        due_ += now - *paused_at_;
        paused_at_.reset();
    }
}

EscalationAction Escalation::user_interrupt(TimePoint now) {
    if (by_deadline() || step_ > EscalationStep::interrupt) {
        return EscalationAction::none;
    }
    resume(now);
    if (step_ == EscalationStep::none) {
        step_ = EscalationStep::interrupt;
        cause_ = EscalationCause::user;
        if (warnings_ == Warnings::shown) {
            warn_at_ = now + grace_;
        }
    } else if (warned_at_ && now >= *warned_at_ + kReadingTime) {
        return kill_worker(now);
    } else if (now < interrupted_at_ + kRepeatTime) {
        return EscalationAction::none;
    }
    interrupted_at_ = now;
    return EscalationAction::interrupt;
}

void Escalation::cell_continues() {
    if (step_ == EscalationStep::interrupt && cause_ == EscalationCause::user) {
        step_ = EscalationStep::none;
        cause_ = EscalationCause::none;
        warn_at_.reset();
        warned_at_.reset();
    }
}

EscalationAction Escalation::kill_worker(TimePoint now) {
    warn_at_.reset();
    step_ = EscalationStep::worker_killed;
    due_ = now + kReportTime;
    return EscalationAction::kill_worker;
}

EscalationAction Escalation::advance(TimePoint now) {
    if (warn_at_ && now >= *warn_at_) {
        warn_at_.reset();
        warned_at_ = now;
        return EscalationAction::warn;
    }
    if (paused_at_ || finished_ || now < due_) {
        return EscalationAction::none;
    }
    if (step_ == EscalationStep::worker_killed) {
        step_ = EscalationStep::sandbox_killed;
        finished_ = true;
        return EscalationAction::kill_sandbox;
    }
    if (by_deadline()) {
        return kill_worker(now);
    }
    warn_at_.reset();  // the deadline's error says more
    cause_ = EscalationCause::deadline;
    step_ = EscalationStep::interrupt;
    due_ = now + grace_;
    return EscalationAction::interrupt;
}

std::optional<Escalation::TimePoint> Escalation::next_deadline() const {
    if (paused_at_ || finished_) {
        return warn_at_;
    }
    return warn_at_ ? std::min(*warn_at_, due_) : due_;
}

}  // namespace cellblock::sandbox
