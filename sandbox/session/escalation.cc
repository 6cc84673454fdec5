// The ladder's rungs.
#include "sandbox/session/escalation.h"

#include <algorithm>

namespace cellblock::sandbox {

DeadlineLadder::DeadlineLadder(TimePoint now, Milliseconds time, Milliseconds grace, Warnings warnings)
    : grace_(grace), warnings_(warnings), due_(now + time) {}

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
    if (climbs() || rung_ > Rung::interrupt) {
        return Push::none;
    }
    resume(now);
    if (rung_ == Rung::none) {
        rung_ = Rung::interrupt;
        cause_ = PushCause::user;
        if (warnings_ == Warnings::shown) {
            warn_at_ = now + grace_;
        }
    } else if (warned_at_ && now >= *warned_at_ + kReadingTime) {
        return kill_worker(now);
    } else if (now < interrupted_at_ + kRepeatTime) {
        return Push::none;
    }
    interrupted_at_ = now;
    return Push::interrupt;
}

void DeadlineLadder::went_on() {
    if (rung_ == Rung::interrupt && cause_ == PushCause::user) {
        rung_ = Rung::none;
        cause_ = PushCause::none;
        warn_at_.reset();
        warned_at_.reset();
    }
}

Push DeadlineLadder::kill_worker(TimePoint now) {
    warn_at_.reset();
    rung_ = Rung::worker_killed;
    due_ = now + kReportTime;
    return Push::kill_worker;
}

Push DeadlineLadder::step(TimePoint now) {
    if (warn_at_ && now >= *warn_at_) {
        warn_at_.reset();
        warned_at_ = now;
        return Push::warn;
    }
    if (paused_at_ || finished_ || now < due_) {
        return Push::none;
    }
    if (rung_ == Rung::worker_killed) {
        rung_ = Rung::sandbox_killed;
        finished_ = true;
        return Push::kill_sandbox;
    }
    if (climbs()) {
        return kill_worker(now);
    }
    warn_at_.reset();  // the deadline's error says more
    cause_ = PushCause::deadline;
    rung_ = Rung::interrupt;
    due_ = now + grace_;
    return Push::interrupt;
}

std::optional<DeadlineLadder::TimePoint> DeadlineLadder::next() const {
    if (paused_at_ || finished_) {
        return warn_at_;
    }
    return warn_at_ ? std::min(*warn_at_, due_) : due_;
}

}  // namespace cellblock::sandbox
