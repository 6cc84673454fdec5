// Reading a sandbox's three sockets, of a flood only so much at once.
#include "sandbox/sandbox_host.h"

namespace cellblock::sandbox {

namespace {

// How much of what a worker sent is taken at once.
constexpr int kFramesAtOnce = 256;
constexpr std::size_t kBytesAtOnce = 8U << 20;
// From the end of a worker's socket to its own end, which says how it died.
constexpr std::chrono::milliseconds kTimeToDie{250};

std::size_t size_of(const Frame& frame) {
    std::size_t bytes = 0;
    for (const auto& buffer : frame.buffers) {
        bytes += buffer.size();
    }
    return bytes;
}

}  // namespace

void SandboxHost::read_worker_frames() {
    Frame frame;
    std::size_t bytes = 0;
    for (int i = 0; link_ && link_->has_worker(); ++i) {
        if (i == kFramesAtOnce || bytes > kBytesAtOnce) {
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
        bytes += size_of(frame);
        auto message = decode_worker_frame(std::move(frame));
        if (!message) {
            return condemn(message.error().message);
        }
        take(std::move(*message));
    }
}

void SandboxHost::read_debug_frames() {
    Frame frame;
    std::size_t bytes = 0;
    for (int i = 0; link_ && link_->has_debugger(); ++i) {
        if (i == kFramesAtOnce || bytes > kBytesAtOnce) {
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
        bytes += size_of(frame);
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
        read_worker_frames();
    }
    if (link_) {
        link_->drop_worker();
    }
}

void SandboxHost::read_warden_frames() {
    Frame frame;
    while (link_) {
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
        auto message = decode_warden_frame(frame);
        if (!message) {
            return condemn(message.error().message);
        }
        if (auto* hello = std::get_if<WardenHello>(&*message)) {
            python_ = hello->python;
        } else if (std::holds_alternative<MemoryKill>(*message)) {
            ++kills_by_warden_;
        } else {
            take(std::get<WorkerExited>(*message));
        }
    }
}

}  // namespace cellblock::sandbox
