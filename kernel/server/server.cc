// The loop.
#include "kernel/server/server.h"

#include <algorithm>

namespace cellblock::kernel {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

namespace {

constexpr int kReadAtOnce = 1000;   // then others have their turn
constexpr auto kVersionWait = 10s;  // for kernel_info, until the sandbox says its Python
constexpr milliseconds kForever{-1};

milliseconds until(SteadyClock::time_point time) {
    return std::clamp<milliseconds>(std::chrono::ceil<milliseconds>(time - SteadyClock::now()), 0ms,
                                    60'000ms);
}

}  // namespace

JupyterServer::JupyterServer(const ServerParts& parts)
    : parts_(parts), version_deadline_(SteadyClock::now() + kVersionWait) {}

// --- the loop

void JupyterServer::start_impl(xeus::xpub_message) {
    while (!stopping_) {
        turn(/*may_wait=*/shell_queue_.empty() || !may_serve(shell_queue_.front()));
        serve_shell();
    }
}

void JupyterServer::run_until(const std::function<bool()>& done) {
    session_has_news_ = true;
    parts_.publisher.release();
    while (!stopping_ && !done()) {
        turn(/*may_wait=*/true);
    }
}

void JupyterServer::turn(bool may_wait) {
    wait_and_read(may_wait ? time_to_sleep() : 0ms);
    serve_control();
    const auto deadline = parts_.relay.next_deadline();
    if (!stopping_ && (session_has_news_ || (deadline && *deadline <= SteadyClock::now()))) {
        session_has_news_ = false;
        parts_.relay.advance();
    }
}

milliseconds JupyterServer::time_to_sleep() const {
    if (session_has_news_) {
        return 0ms;
    }
    milliseconds time = kForever;
    const auto no_later = [&time](SteadyClock::time_point end) {
        time = time == kForever ? until(end) : std::min(time, until(end));
    };
    if (const auto deadline = parts_.relay.next_deadline()) {
        no_later(*deadline);
    }
    // A kernel_info that waits for the version.
    if (!control_queue_.empty() || (!shell_queue_.empty() && !may_serve(shell_queue_.front()))) {
        if (version_deadline_ > SteadyClock::now()) {
            no_later(version_deadline_);
        }
    }
    return time;
}

void JupyterServer::wait_and_read(milliseconds longest) {
    const bool room = has_room();
    auto& sockets = parts_.sockets;
    std::array<zmq_pollitem_t, 7> items{{
        {sockets.handle(Channel::shell), 0, static_cast<short>(room ? ZMQ_POLLIN : 0), 0},
        {sockets.handle(Channel::control), 0, ZMQ_POLLIN, 0},
        {sockets.handle(Channel::input), 0, ZMQ_POLLIN, 0},
        {sockets.handle(Channel::iopub), 0, ZMQ_POLLIN, 0},
        {nullptr, parts_.relay.session().poll_fd(), ZMQ_POLLIN, 0},
        {nullptr, parts_.watch.signal_fd(), ZMQ_POLLIN, 0},
        {nullptr, parts_.watch.parent_fd(), ZMQ_POLLIN, 0},
    }};
    const int count = parts_.watch.parent_fd() < 0 ? 6 : 7;
    if (zmq_poll(items.data(), count, longest.count()) <= 0) {
        return;
    }
    const auto ready = [&items](std::size_t i) {
        return (items[i].revents & (ZMQ_POLLIN | ZMQ_POLLERR)) != 0;
    };
    if (ready(0)) {
        read_requests(Channel::shell, shell_queue_);
    }
    if (ready(1)) {
        read_requests(Channel::control, control_queue_);
    }
    if (ready(2)) {
        read_stdin();
    }
    if (ready(3)) {
        read_subscriptions();
    }
    session_has_news_ = session_has_news_ || ready(4);
    if (ready(5)) {
        heed(parts_.watch.signal_notice());
    }
    if (count == 7 && ready(6)) {
        heed(Notice::leave);
    }
}

void JupyterServer::read_requests(Channel channel, std::deque<Message>& queue) {
    for (int i = 0; i < kReadAtOnce; ++i) {
        auto frames = parts_.sockets.receive(channel);
        if (!frames) {
            return;
        }
        auto message = parts_.wire.parse(std::move(*frames));
        if (!message) {
            drop_log_.tell(message.error().text());
            continue;
        }
        if (channel == Channel::shell) {
            shell_queue_bytes_ += message->bytes();
        }
        queue.push_back(std::move(*message));
    }
}

void JupyterServer::read_stdin() {
    for (int i = 0; i < kReadAtOnce; ++i) {
        auto frames = parts_.sockets.receive(Channel::input);
        if (!frames) {
            return;
        }
        if (auto message = parts_.wire.parse(std::move(*frames))) {
            parts_.relay.take_input(*message);
        } else {
            drop_log_.tell(message.error().text());
        }
    }
}

// An XPUB socket receives subscriptions: a byte 1 (or 0, the end of one), then the topic.
void JupyterServer::read_subscriptions() {
    for (int i = 0; i < kReadAtOnce; ++i) {
        const auto frames = parts_.sockets.receive(Channel::iopub);
        if (!frames) {
            return;
        }
        if (const std::string& one = frames->front(); !one.empty() && one.front() == '\1') {
            parts_.publisher.welcome(one.substr(1));
        }
    }
}

void JupyterServer::serve_control() {
    std::deque<Message> waiting;
    while (!control_queue_.empty() && !stopping_) {
        Message request = std::move(control_queue_.front());
        control_queue_.pop_front();
        if (!may_serve(request)) {
            waiting.push_back(std::move(request));
        } else if (!parts_.gaps.answer(request, Channel::control, *this)) {
            give_to_core(std::move(request), Channel::control);
        }
    }
    control_queue_ = std::move(waiting);
}

void JupyterServer::heed(Notice notice) {
    if (notice == Notice::interrupt) {
        parts_.relay.interrupt();
    } else if (notice == Notice::leave) {
        parts_.gaps.shut_down(*this);
    }
}

}  // namespace cellblock::kernel
