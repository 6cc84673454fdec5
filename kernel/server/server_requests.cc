// What goes between the server's queue and xeus's core, both ways.
#include "kernel/jupyter/message_text.h"
#include "kernel/server/request_content.h"
#include "kernel/server/server.h"

namespace cellblock::kernel {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

namespace {

constexpr milliseconds kFollowerPause = 5ms;  // see await_followers
constexpr milliseconds kFollowerLimit = 50ms;

}  // namespace

// --- requests

// kernel_info tells the version of the sandbox's Python and whether it has a debugger, so it waits a while
// for them.
bool JupyterServer::may_serve(const Message& request) const {
    auto& session = parts_.relay.session();
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
    if (!parts_.gaps.answer(request, Channel::shell, *this)) {
        give_to_core(std::move(request), Channel::shell);
    }
}

void JupyterServer::give_to_core(Message request, Channel channel) {
    auto content = whole_content(request.type(), request.content);
    if (!content) {
        parts_.publisher.status("busy", request.header_text);
        parts_.publisher.reply(channel, request, reply_type(request.type()),
                               error_content("BadRequest", content.error().message));
        parts_.publisher.status("idle", request.header_text);
        return;
    }
    const nl::json header{{"msg_type", request.type()}};  // all that the core reads of it
    xeus::xmessage message(request.identities, header, nl::json::object(), nl::json::object(), *content, {});
    if (channel == Channel::control) {
        control_request_ = std::move(request);
        return notify_control_listener(std::move(message));
    }
    current_ = CurrentRequest{};
    current_.message = std::move(request);
    current_.started = iso_date_now();
    reply_content_.reset();
    reply_usage_.clear();
    replied_ = false;
    if (current_.message.type() == "execute_request") {
        prepare_execute(*content);
    }
    parts_.publisher.hold();
    notify_shell_listener(std::move(message));
    parts_.publisher.release();
    if (!replied_) {  // the core swallows exceptions
        parts_.publisher.reply(channel, current_.message, reply_type(current_.message.type()),
                               error_content("InternalError", "the kernel failed to handle this request"));
    }
}

void JupyterServer::prepare_execute(const nlohmann::json& content) {
    const std::string& code = content["code"].get_ref<const std::string&>();
    const bool blank = code.find_first_not_of(" \t\n\v\f\r") == std::string::npos;
    current_.stores = content["store_history"] && !blank;
    current_.stop_on_error = content["stop_on_error"];
    const bool silent = content["silent"];
    current_.count = execution_count_ + (silent ? 0 : 1);
    current_.reply_count = blank ? execution_count_ : current_.count;  // as ipykernel's
    if (current_.stores) {
        execution_count_ = current_.count;
        parts_.history.store(current_.count, code);
    }
}

// A client that runs many cells sends them one after another. Those sent before
// it can know of an error must be aborted, so before the error is told, requests
// that are still on their way get a moment to arrive.
void JupyterServer::await_followers() {
    const auto end = SteadyClock::now() + kFollowerLimit;
    zmq_pollitem_t shell{parts_.sockets.handle(Channel::shell), 0, ZMQ_POLLIN, 0};
    while (has_room() && SteadyClock::now() < end && zmq_poll(&shell, 1, kFollowerPause.count()) > 0) {
        read_requests(Channel::shell, shell_queue_);
    }
}

// --- what xeus's core sends

void JupyterServer::send_shell_impl(xeus::xmessage message) {
    const std::string type = message.header().value("msg_type", "");
    std::string metadata = "{}";
    if (type == "execute_reply") {
        ObjectText members;
        members.text("started", current_.started);
        if (!reply_usage_.empty()) {
            members.raw("cellblock", reply_usage_);
        }
        metadata = members.finish();
        if (current_.stop_on_error && message.content().value("status", "") == "error") {
            await_followers();
        }
    }
    std::string content = reply_content_
                              ? std::move(*reply_content_)
                              : message.content().dump(-1, ' ', false, nl::json::error_handler_t::replace);
    reply_content_.reset();
    replied_ = true;
    parts_.publisher.reply(Channel::shell, current_.message, type, std::move(content), std::move(metadata));
}

void JupyterServer::send_control_impl(xeus::xmessage message) {
    parts_.publisher.reply(Channel::control, control_request_, message.header().value("msg_type", ""),
                           message.content().dump(-1, ' ', false, nl::json::error_handler_t::replace));
}

// Status, and execute_input, whose count is ours. Outputs don't come this way.
void JupyterServer::publish_impl(xeus::xpub_message message, xeus::channel channel) {
    const std::string type = message.header().value("msg_type", "");
    const auto& content = message.content();
    const Message& request = channel == xeus::channel::CONTROL ? control_request_ : current_.message;
    if (type == "execute_input") {
        parts_.publisher.publish(type, request.header_text,
                                 ObjectText()
                                     .text("code", content.value("code", ""))
                                     .number("execution_count", current_.count)
                                     .finish());
        return;
    }
    parts_.publisher.publish(type, request.header_text,
                             content.dump(-1, ' ', false, nl::json::error_handler_t::replace));
}

// The executes that are queued are aborted; all other requests keep their place.
void JupyterServer::abort_queue_impl(const listener&, long) {
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
