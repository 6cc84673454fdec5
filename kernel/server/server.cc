#include "kernel/server/server.h"

#include <algorithm>
#include <iostream>
#include <utility>

#include "kernel/jupyter/message_text.h"
#include "kernel/server/kernel_info.h"
#include "kernel/server/request_content.h"

namespace cellblock::kernel {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

namespace {

constexpr int kReadAtOnce = 1000;   // messages of one socket, before the others have their turn
constexpr auto kVersionWait = 10s;  // how long kernel_info waits for the sandbox's Python version
constexpr milliseconds kForever{-1};
constexpr milliseconds kFollowerPause = 5ms;  // see await_followers
constexpr milliseconds kFollowerLimit = 50ms;

ReplyText internal_error() {
    return {true, error_content("InternalError", "the kernel failed to handle this request")};
}

milliseconds until(SteadyClock::time_point time) {
    return std::clamp<milliseconds>(std::chrono::ceil<milliseconds>(time - SteadyClock::now()), 0ms,
                                    60'000ms);
}

}  // namespace

JupyterServer::JupyterServer(const ServerParts& parts)
    : parts_(parts),
      execution_(parts.bridge, parts.history),
      version_deadline_(SteadyClock::now() + kVersionWait) {}

// --- the loop

void JupyterServer::serve(RequestCore& core) {
    core_ = &core;
    while (!stopping_) {
        turn(/*may_wait=*/shell_queue_.empty() || !may_serve(shell_queue_.front()));
        serve_shell();
    }
    core_ = nullptr;
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
    const auto deadline = parts_.bridge.next_deadline();
    if (!stopping_ && (session_has_news_ || (deadline && *deadline <= SteadyClock::now()))) {
        session_has_news_ = false;
        parts_.bridge.advance();
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
    if (const auto deadline = parts_.bridge.next_deadline()) {
        no_later(*deadline);
    }
    // A kernel_info that waits for the Python's version is answered without it once the time is over.
    if (!control_queue_.empty() || (!shell_queue_.empty() && !may_serve(shell_queue_.front()))) {
        if (version_deadline_ > SteadyClock::now()) {
            no_later(version_deadline_);
        }
    }
    return time;
}

void JupyterServer::wait_and_read(milliseconds longest) {
    constexpr std::size_t kSession = 0;
    constexpr std::size_t kSignals = 1;
    constexpr std::size_t kParent = 2;
    std::vector<Channel> channels{Channel::control, Channel::input, Channel::iopub};
    if (has_room()) {
        channels.push_back(Channel::shell);
    }
    const Readable readable = parts_.sockets.wait(
        channels, {parts_.bridge.session().poll_fd(), parts_.watch.signal_fd(), parts_.watch.parent_fd()},
        longest);
    if (readable.on(Channel::shell)) {
        read_requests(Channel::shell, shell_queue_);
    }
    if (readable.on(Channel::control)) {
        read_requests(Channel::control, control_queue_);
    }
    if (readable.on(Channel::input)) {
        read_stdin();
    }
    if (readable.on(Channel::iopub)) {
        read_subscriptions();
    }
    session_has_news_ = session_has_news_ || readable.fds[kSession];
    if (readable.fds[kSignals]) {
        heed(parts_.watch.signal_notice());
    }
    if (readable.fds[kParent]) {
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
            parts_.bridge.take_input(*message);
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

void JupyterServer::heed(Notice notice) {
    if (notice == Notice::interrupt) {
        parts_.bridge.interrupt();
    } else if (notice == Notice::leave) {
        parts_.dispatcher.shut_down(*this);
    }
}

// --- requests

// kernel_info tells the version of the sandbox's Python and whether it has a debugger, so it waits a while
// for them.
bool JupyterServer::may_serve(const Message& request) const {
    auto& session = parts_.bridge.session();
    return request.type() != "kernel_info_request" ||
           (!session.python_version().empty() && session.has_debugger()) ||
           !session.unavailable_reason().empty() || SteadyClock::now() >= version_deadline_;
}

void JupyterServer::serve_shell() {
    if (stopping_ || shell_queue_.empty() || !may_serve(shell_queue_.front())) {
        return;
    }
    Message request = std::move(shell_queue_.front());
    shell_queue_.pop_front();
    shell_queue_bytes_ -= request.bytes();
    if (!parts_.dispatcher.answer(request, Channel::shell, *this)) {
        give_to_core(std::move(request), Channel::shell);
    }
}

void JupyterServer::serve_control() {
    std::deque<Message> waiting;
    while (!control_queue_.empty() && !stopping_) {
        Message request = std::move(control_queue_.front());
        control_queue_.pop_front();
        if (!may_serve(request)) {
            waiting.push_back(std::move(request));
        } else if (!parts_.dispatcher.answer(request, Channel::control, *this)) {
            give_to_core(std::move(request), Channel::control);
        }
    }
    control_queue_ = std::move(waiting);
}

void JupyterServer::give_to_core(Message request, Channel channel) {
    auto content = whole_content(request.type(), std::move(request.content));
    if (!content) {
        parts_.publisher.status("busy", request.header_text);
        parts_.publisher.reply(channel, request, reply_type(request.type()),
                               error_content("BadRequest", content.error().message));
        parts_.publisher.status("idle", request.header_text);
        return;
    }
    const std::string type = request.type();
    Handled& current = handled(channel);
    current = Handled{std::move(request)};
    if (channel == Channel::shell) {
        parts_.publisher.hold();
    }
    if (type == "execute_request") {
        begin_cell(*content);
    }
    core_->handle(channel, type, std::move(*content));
    if (execution_.is_running()) {  // the core didn't ask for it, but the session takes one cell at a time
        (void)execute();
    }
    if (!current.replied) {
        reply(channel, reply_type(type), internal_error());
    }
    if (!current.idle) {
        publish_status(channel, "idle");
    }
    parts_.publisher.release();
}

// The worker has the cell before the core tells of it by `busy` and execute_input, which would hold it up.
// The cell's outputs are read by execute() alone, so they come after those two messages.
void JupyterServer::begin_cell(nlohmann::json& content) {
    try {
        execution_.begin(content, shell_handled_.request);
    } catch (const std::exception& failed) {
        std::cerr << "cellblock kernel: execute_request failed: " << failed.what() << "\n";
    }
}

// A client that runs many cells sends them one after another. Cells that it sent before it could know of an
// error must be aborted. So before the error's reply goes out, requests that are still on their way get a
// moment to arrive.
void JupyterServer::await_followers() {
    const auto end = SteadyClock::now() + kFollowerLimit;
    while (has_room() && SteadyClock::now() < end &&
           parts_.sockets.wait({Channel::shell}, {}, kFollowerPause).on(Channel::shell)) {
        read_requests(Channel::shell, shell_queue_);
    }
}

// --- what the core asks for

ReplyText JupyterServer::execute() {
    if (!execution_.is_running()) {
        return internal_error();
    }
    try {
        ReplyText reply = execution_.finish(*this);
        if (reply.failed && execution_.stops_on_error()) {
            await_followers();
        }
        return reply;
    } catch (const std::exception& failed) {
        std::cerr << "cellblock kernel: execute_request failed: " << failed.what() << "\n";
        return internal_error();
    }
}

nlohmann::json JupyterServer::kernel_info() const {
    return kernel_info_content(parts_.bridge.session());
}

void JupyterServer::publish_status(Channel channel, const std::string& state) {
    Handled& current = handled(channel);
    current.idle = state == "idle";
    parts_.publisher.status(state, current.request.header_text);
}

void JupyterServer::publish_execute_input() {
    const Message& request = shell_handled_.request;
    parts_.publisher.publish("execute_input", request.header_text, execution_.input_content(request));
}

void JupyterServer::reply(Channel channel, const std::string& type, ReplyText reply) {
    Handled& current = handled(channel);
    current.replied = true;
    parts_.publisher.reply(channel, current.request, type, std::move(reply.content),
                           std::move(reply.metadata));
}

// Other requests than cells keep their place.
void JupyterServer::abort_queued_cells() {
    std::deque<Message> kept;
    for (auto& request : shell_queue_) {
        if (request.type() != "execute_request") {
            kept.push_back(std::move(request));
            continue;
        }
        shell_queue_bytes_ -= request.bytes();
        parts_.publisher.status("busy", request.header_text);
        parts_.publisher.reply(Channel::shell, request, "execute_reply",
                               ObjectText().text("status", "aborted").finish(),
                               ObjectText().text("started", iso_date_now()).finish());
        parts_.publisher.status("idle", request.header_text);
    }
    shell_queue_ = std::move(kept);
}

}  // namespace cellblock::kernel
