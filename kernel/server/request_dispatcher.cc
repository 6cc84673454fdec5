#include "kernel/server/request_dispatcher.h"

#include <algorithm>
#include <iostream>
#include <iterator>
#include <string_view>
#include <utility>

#include "kernel/jupyter/message_text.h"
#include "kernel/server/request_content.h"

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

// Tells the client why its request can't be understood.
void refuse(Publisher& publisher, Channel channel, const Message& request, const sandbox::Error& error) {
    publisher.reply(channel, request, reply_type(request.type()), error_content("BadRequest", error.message));
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

}  // namespace

std::string reply_type(const std::string& request_type) {
    constexpr std::string_view kEnding = "_request";
    const bool request = request_type.ends_with(kEnding);
    return (request ? request_type.substr(0, request_type.size() - kEnding.size()) : request_type) + "_reply";
}

struct RequestDispatcher::Route {
    std::string_view type;
    Handler handler;  // nullptr: the core's
    bool needs_worker = false;
};

const RequestDispatcher::Route* RequestDispatcher::route_of(const std::string& type) {
    static constexpr Route kRoutes[] = {
        {"execute_request", nullptr, true},
        {"kernel_info_request", nullptr},
        {"complete_request", &RequestDispatcher::complete, true},
        {"inspect_request", &RequestDispatcher::inspect, true},
        {"is_complete_request", &RequestDispatcher::is_complete, true},
        {"comm_open", &RequestDispatcher::comm, true},
        {"comm_msg", &RequestDispatcher::comm, true},
        {"comm_close", &RequestDispatcher::comm, true},
        {"comm_info_request", &RequestDispatcher::comm_info, true},
        {"connect_request", &RequestDispatcher::connect},
        {"history_request", &RequestDispatcher::history},
        {"interrupt_request", &RequestDispatcher::interrupt},
        {"shutdown_request", &RequestDispatcher::shutdown},
        {"usage_request", &RequestDispatcher::usage},
    };
    const auto* const found = std::find_if(std::begin(kRoutes), std::end(kRoutes),
                                           [&](const Route& route) { return route.type == type; });
    return found == std::end(kRoutes) ? nullptr : found;
}

bool RequestDispatcher::answer(const Message& request, Channel channel, Loop& loop) {
    const std::string& type = request.type();
    if (type == "debug_request") {
        bridge_.debug(request, channel);
        return true;
    }
    if (FileComms& files = bridge_.file_comms(); files.target().is_for(request)) {
        const sandbox::FileId asked = files.begin(request);
        if (channel == Channel::shell) {  // what comes next may depend on it
            loop.run_until([&] { return !files.is_pending(asked); });
        }
        return true;
    }
    if (CommandComms& commands = bridge_.command_comms(); commands.target().is_for(request)) {
        commands.begin(request);
        return true;
    }
    const Route* const route = route_of(type);
    const bool wrong_channel = route != nullptr && route->needs_worker && channel == Channel::control;
    if (route != nullptr && route->handler == nullptr && !wrong_channel) {
        return false;
    }
    if (route != nullptr && route->needs_worker) {
        publisher_.hold();
    }
    publisher_.status("busy", request.header_text);
    if (wrong_channel) {
        publisher_.reply(channel, request, reply_type(type),
                         error_content("WrongChannel", type + " belongs on the shell channel"));
    } else if (route != nullptr) {
        handle(route->handler, request, channel, loop);
    }
    publisher_.status("idle", request.header_text);
    publisher_.release();
    return true;
}

void RequestDispatcher::handle(Handler handler, const Message& request, Channel channel, Loop& loop) {
    try {
        (this->*handler)(request, channel, loop);
    } catch (const std::exception& failed) {
        std::cerr << "cellblock kernel: " << request.type() << " failed: " << failed.what() << "\n";
        publisher_.reply(channel, request, reply_type(request.type()),
                         error_content("InternalError", "the kernel failed to handle this request"));
    }
}

void RequestDispatcher::connect(const Message& request, Channel channel, Loop&) {
    ObjectText content;
    content.text("status", "ok");
    for (std::size_t i = 0; i < kChannels; ++i) {
        content.number(kPortNames[i], connection_.ports[i]);
    }
    publisher_.reply(channel, request, "connect_reply", content.finish());
}

void RequestDispatcher::history(const Message& request, Channel channel, Loop&) {
    const auto lines = history_.answer(request.content);
    publisher_.reply(channel, request, "history_reply",
                     ObjectText()
                         .text("status", "ok")
                         .raw("history", lines.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace))
                         .finish());
}

void RequestDispatcher::interrupt(const Message& request, Channel channel, Loop&) {
    bridge_.interrupt();
    publisher_.reply(channel, request, "interrupt_reply", ObjectText().text("status", "ok").finish());
}

void RequestDispatcher::usage(const Message& request, Channel channel, Loop&) {
    publisher_.reply(channel, request, "usage_reply", meter_.reply(bridge_.session()));
}

void RequestDispatcher::shut_down(Loop& loop) {
    bridge_.session().shutdown();
    loop.stop();
}

void RequestDispatcher::shutdown(const Message& request, Channel channel, Loop& loop) {
    const auto found = request.content.find("restart");
    const bool restart = found != request.content.end() && found->is_boolean() && found->get<bool>();
    if (restart) {
        bridge_.session().keep_packages();
    }
    shut_down(loop);
    const std::string content = ObjectText().text("status", "ok").flag("restart", restart).finish();
    publisher_.reply(channel, request, "shutdown_reply", content);
    publisher_.publish("shutdown_reply", request.header_text, content);
}

void RequestDispatcher::comm(const Message& request, Channel, Loop& loop) {
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
    bridge_.send_comm(message, Origin{request.header_text, request.id(), request.identities, 0, false});
    loop.run_until([this] { return bridge_.finished(); });
    bridge_.take_outcome();
}

std::string RequestDispatcher::answer_to(const sandbox::Query& query, std::string otherwise, Loop& loop) {
    bridge_.ask(query);
    loop.run_until([this] { return bridge_.finished(); });
    auto answer = bridge_.take_reply();
    return answer && !answer->failed ? std::move(answer->content.text) : std::move(otherwise);
}

void RequestDispatcher::complete(const Message& request, Channel channel, Loop& loop) {
    const auto content = whole_content(request.type(), request.content);
    if (!content) {
        return refuse(publisher_, channel, request, content.error());
    }
    const int cursor = (*content)["cursor_pos"];
    std::string nothing = ObjectText()
                              .text("status", "ok")
                              .raw("matches", "[]")
                              .number("cursor_start", cursor)
                              .number("cursor_end", cursor)
                              .raw("metadata", "{}")
                              .finish();
    reply(request, answer_to(sandbox::CompleteQuery{(*content)["code"], cursor}, std::move(nothing), loop));
}

void RequestDispatcher::inspect(const Message& request, Channel channel, Loop& loop) {
    const auto content = whole_content(request.type(), request.content);
    if (!content) {
        return refuse(publisher_, channel, request, content.error());
    }
    const sandbox::InspectQuery query{(*content)["code"], (*content)["cursor_pos"],
                                      (*content)["detail_level"]};
    reply(request, answer_to(query, R"({"status":"ok","found":false,"data":{},"metadata":{}})", loop));
}

void RequestDispatcher::is_complete(const Message& request, Channel channel, Loop& loop) {
    const auto content = whole_content(request.type(), request.content);
    if (!content) {
        return refuse(publisher_, channel, request, content.error());
    }
    reply(request, answer_to(sandbox::IsCompleteQuery{(*content)["code"]}, R"({"status":"unknown"})", loop));
}

void RequestDispatcher::comm_info(const Message& request, Channel, Loop& loop) {
    sandbox::CommInfoQuery query;
    if (const std::string target = text_field(request, "target_name"); !target.empty()) {
        query.target_name = target;
    }
    std::string content = answer_to(query, R"({"status":"ok","comms":{}})", loop);
    for (const CommTarget* own : {&bridge_.file_comms().target(), &bridge_.command_comms().target()}) {
        if (query.target_name.value_or(own->name()) == own->name()) {
            content = own->with_open_comms(std::move(content));
        }
    }
    reply(request, std::move(content));
}

}  // namespace cellblock::kernel
