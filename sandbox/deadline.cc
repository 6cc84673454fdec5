// The ladder's rungs.
#include "sandbox/deadline.h"

namespace cellblock::sandbox {

DeadlineLadder::DeadlineLadder(TimePoint now, Milliseconds time, Milliseconds grace)
    : grace_(grace), due_(now + time) {}

void DeadlineLadder::pause(TimePoint now) {
    if (!paused_at_ && rung_ == Rung::none) {
        paused_at_ = now;
    }
}

void DeadlineLadder::resume(TimePoint now) {
    if (paused_at_) {
        due_ += now - *paused_at_;
        paused_at_.reset();
    }
}

Push DeadlineLadder::user_interrupt(TimePoint now) {
    if (rung_ != Rung::none) {
        return Push::none;
    }
    paused_at_.reset();
    due_ = now;
    cause_ = PushCause::user;
    return step(now);
}

Push DeadlineLadder::step(TimePoint now) {
    if (paused_at_ || finished_ || now < due_) {
        return Push::none;
    }
    if (cause_ == PushCause::none) {
        cause_ = PushCause::deadline;
    }
    switch (rung_) {
        case Rung::none:
            rung_ = Rung::interrupt;
            due_ = now + grace_;
            return Push::interrupt;
        case Rung::interrupt:
            rung_ = Rung::worker_killed;
            due_ = now + kReportTime;
            return Push::kill_worker;
        case Rung::worker_killed:
            rung_ = Rung::sandbox_killed;
            finished_ = true;
            return Push::kill_sandbox;
        case Rung::sandbox_killed:
            break;
    }
    return Push::none;
}

std::optional<DeadlineLadder::TimePoint> DeadlineLadder::next() const {
    if (paused_at_ || finished_) {
        return std::nullopt;
    }
    return due_;
}

}  // namespace cellblock::sandbox
