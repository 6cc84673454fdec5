// Reading a sandbox's three sockets, of a flood only so much at once.
#include "sandbox/session/sandbox_host.h"

namespace cellblock::sandbox {

namespace {

constexpr std::chrono::milliseconds kDrainTime{10};  // of each round
// From the end of a worker's socket to its own end, which says how it died.
constexpr std::chrono::milliseconds kTimeToDie{250};

// How much of what came over one socket is taken before others have their turn.
class Turn {
public:
    explicit Turn(std::chrono::milliseconds time) : until_(Clock::now() + time) {}

    void count(const Frame& frame) {
        ++frames_;
        bytes_ += frame.bytes;
    }
    // By the real clock: it is about other clients' time, not about the session's.
    [[nodiscard]] bool over() const {
        return frames_ >= kFrames || bytes_ > kBytes || (frames_ > 0 && Clock::now() > until_);
    }

private:
    static constexpr int kFrames = 256;
    static constexpr std::size_t kBytes = 8U << 20;

    int frames_ = 0;
    std::size_t bytes_ = 0;
    TimePoint until_;
};

}  // namespace

void SandboxHost::read_worker_frames(std::chrono::milliseconds time) {
    Frame frame;
    Turn turn(time);
    while (link_ && link_->has_worker()) {
        if (turn.over()) {
            return wake();
        }
        auto state = link_->read_worker(frame);
        if (!state) {
            return condemn("malformed " + state.error().message);
        }
        if (*state == ReadState::would_block) {
            return;
        }
        if (*state == ReadState::end_of_file) {
            link_->drop_worker();
            if (state_ != State::dying) {
                state_ = State::closing;
                deadline_ = now_() + kTimeToDie;
            }
            return;
        }
        turn.count(frame);
        auto message = decode_worker_frame(std::move(frame));
        if (!message) {
            return condemn(message.error().message);
        }
        take(std::move(*message));
    }
}

void SandboxHost::read_debug_frames() {
    Frame frame;
    Turn turn(kTurn);
    while (link_ && link_->has_debugger()) {
        if (turn.over()) {
            return wake();
        }
        auto state = link_->read_debugger(frame);
        if (!state) {
            return condemn("malformed " + state.error().message);
        }
        if (*state == ReadState::would_block) {
            return;
        }
        if (*state == ReadState::end_of_file) {
            link_->drop_debugger();
            events_.emplace_back(DebugMessage(DebuggerGone{}));
            return;
        }
        turn.count(frame);
        auto message = decode_debug_frame(std::move(frame));
        if (!message) {
            return condemn(message.error().message);
        }
        events_.emplace_back(std::move(*message));
    }
}

// What the worker sent before its end. Its socket has no writer any more, so a
// few rounds reach the end of what the kernel holds; a warden that lies about
// the worker's end gets no more than these.
void SandboxHost::drain_worker() {
    constexpr int kRounds = 8;
    for (int i = 0; i < kRounds && link_ && link_->has_worker(); ++i) {
        read_worker_frames(kDrainTime);
    }
    if (link_) {
        link_->drop_worker();
    }
}

void SandboxHost::read_warden_frames() {
    Frame frame;
    Turn turn(kTurn);
    while (link_) {
        if (turn.over()) {
            return wake();
        }
        auto state = link_->read_warden(frame);
        if (!state) {
            return condemn("malformed " + state.error().message);
        }
        if (*state == ReadState::would_block) {
            return;
        }
        if (*state == ReadState::end_of_file) {
            return sandbox_ended();
        }
        turn.count(frame);
        auto message = decode_warden_frame(frame);
        if (!message) {
            return condemn(message.error().message);
        }
        take(*message);
    }
}

}  // namespace cellblock::sandbox
