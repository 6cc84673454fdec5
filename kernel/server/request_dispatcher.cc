// Handlers of the requests that pass by xeus's core.
#include "kernel/server/request_dispatcher.h"

#include <iostream>
#include <string_view>
#include <utility>

#include "kernel/jupyter/message_text.h"

namespace cellblock::kernel {

namespace {

constexpr std::size_t kMaxCommId = 1024;
constexpr std::size_t kMaxCommBuffers = 254;                  // channel/FRAMES.md: 256 with data and metadata
constexpr std::size_t kMaxCommBytes = std::size_t{64} << 20;  // of a buffer
constexpr std::size_t kMaxCommTotal = std::size_t{120} << 20;

std::string text_field(const Message& request, const char* name) {
    const auto found = request.content.find(name);
    return found != request.content.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool fits_a_frame(const Message& request) {
    std::size_t total = request.content_text.size() + request.metadata_text.size();
    for (const auto& buffer : request.buffers) {
        if (buffer.size() > kMaxCommBytes) {
            return false;
        }
        total += buffer.size();
    }
    return request.buffers.size() <= kMaxCommBuffers && total <= kMaxCommTotal;
}

bool needs_worker(const std::string& type) {
    for (const std::string_view one :
         {"execute_request", "complete_request", "inspect_request", "is_complete_request",
          "comm_info_request", "comm_open", "comm_msg", "comm_close"}) {
        if (type == one) {
            return true;
        }
    }
    return false;
}

}  // namespace

std::string reply_type(const std::string& request_type) {
    constexpr std::string_view kEnding = "_request";
    const bool request = request_type.ends_with(kEnding);
    return (request ? request_type.substr(0, request_type.size() - kEnding.size()) : request_type) + "_reply";
}

XeusGaps::Handler XeusGaps::handler_of(const std::string& type) {
    static constexpr std::pair<std::string_view, Handler> kHandlers[] = {
        {"connect_request", &XeusGaps::connect},
        {"history_request", &XeusGaps::history},
        {"interrupt_request", &XeusGaps::interrupt},
        {"shutdown_request", &XeusGaps::shutdown},
        {"usage_request", &XeusGaps::usage},
        {"comm_open", &XeusGaps::comm},
        {"comm_msg", &XeusGaps::comm},
        {"comm_close", &XeusGaps::comm},
        {"comm_info_request", &XeusGaps::comm_info},
    };
    for (const auto& [name, handler] : kHandlers) {
        if (type == name) {
            return handler;
        }
    }
    return nullptr;
}

bool XeusGaps::is_for_core(const std::string& type, Channel channel) {
    return type == "kernel_info_request" ||
           (channel == Channel::shell && needs_worker(type) && handler_of(type) == nullptr);
}

bool XeusGaps::answer(const Message& request, Channel channel, Loop& loop) {
    const std::string& type = request.type();
    if (is_for_core(type, channel)) {
        return false;
    }
    if (type == "debug_request") {
        relay_.debug(request, channel);
        return true;
    }
    publisher_.status("busy", request.header_text);
    if (channel == Channel::control && needs_worker(type)) {
        publisher_.reply(channel, request, reply_type(type),
                         error_content("WrongChannel", type + " belongs on the shell channel"));
    } else if (const Handler handler = handler_of(type); handler != nullptr) {
        (this->*handler)(request, channel, loop);
    }
    publisher_.status("idle", request.header_text);
    return true;
}

void XeusGaps::connect(const Message& request, Channel channel, Loop&) {
    ObjectText content;
    content.text("status", "ok");
    for (std::size_t i = 0; i < kChannels; ++i) {
        content.number(kPortNames[i], connection_.ports[i]);
    }
    publisher_.reply(channel, request, "connect_reply", content.finish());
}

void XeusGaps::history(const Message& request, Channel channel, Loop&) {
    const auto lines = history_.answer(request.content);
    publisher_.reply(channel, request, "history_reply",
                     ObjectText()
                         .text("status", "ok")
                         .raw("history", lines.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace))
                         .finish());
}

void XeusGaps::interrupt(const Message& request, Channel channel, Loop&) {
    relay_.interrupt();
    publisher_.reply(channel, request, "interrupt_reply", ObjectText().text("status", "ok").finish());
}

void XeusGaps::usage(const Message& request, Channel channel, Loop&) {
    publisher_.reply(channel, request, "usage_reply", meter_.reply(relay_.session()));
}

void XeusGaps::shut_down(Loop& loop) {
    relay_.session().shutdown();
    loop.stop();
}

void XeusGaps::shutdown(const Message& request, Channel channel, Loop& loop) {
    const auto found = request.content.find("restart");
    const bool restart = found != request.content.end() && found->is_boolean() && found->get<bool>();
    if (restart) {
        relay_.session().keep_packages();
    }
    shut_down(loop);
    const std::string content = ObjectText().text("status", "ok").flag("restart", restart).finish();
    publisher_.reply(channel, request, "shutdown_reply", content);
    publisher_.publish("shutdown_reply", request.header_text, content);
}

void XeusGaps::comm(const Message& request, Channel, Loop& loop) {
    sandbox::CommInput message;
    message.kind = request.type() == "comm_open"  ? sandbox::CommKind::open
                   : request.type() == "comm_msg" ? sandbox::CommKind::message
                                                  : sandbox::CommKind::close;
    message.comm_id = text_field(request, "comm_id");
    message.target_name = text_field(request, "target_name");
    if (message.comm_id.empty() || message.comm_id.size() > kMaxCommId ||
        message.target_name.size() > kMaxCommId || !fits_a_frame(request)) {
        std::cerr << "cellblock kernel: a " << request.type()
                  << " without comm_id, or too large, was ignored\n";
        return;
    }
    message.data = member_text(request.content_text, "data").value_or("{}");
    message.metadata = request.metadata_text;
    message.parent = request.id();
    message.buffers = request.buffers;
    relay_.send_comm(message, Origin{request.header_text, request.id(), request.identities, 0, false});
    loop.run_until([this] { return relay_.finished(); });
    relay_.take_outcome();
}

void XeusGaps::comm_info(const Message& request, Channel channel, Loop& loop) {
    sandbox::CommInfoQuery query;
    if (const std::string target = text_field(request, "target_name"); !target.empty()) {
        query.target_name = target;
    }
    relay_.ask(query);
    loop.run_until([this] { return relay_.finished(); });
    const auto reply = relay_.take_reply();
    const bool known = reply && !reply->failed;
    publisher_.reply(channel, request, "comm_info_reply",
                     known ? reply->content.text : R"({"status":"ok","comms":{}})");
}

}  // namespace cellblock::kernel
