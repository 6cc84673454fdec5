#include "kernel/xeus/xeus_core.h"

#include <iostream>
#include <memory>
#include <utility>
#include <xeus/xkernel.hpp>
#include <xeus/xserver.hpp>

#include "kernel/jupyter/publisher.h"
#include "kernel/xeus/versions.h"

namespace cellblock::kernel {

namespace {

// The members of the one JSON value in which the core carries a cell's reply: the core adds what it likes
// beside them, and the texts arrive to the letter.
constexpr const char* kStatus = "status";  // the core's: does it abort what is queued?
constexpr const char* kContent = "content_text";
constexpr const char* kMetadata = "metadata_text";

Channel as_channel(xeus::channel channel) {
    return channel == xeus::channel::CONTROL ? Channel::control : Channel::shell;
}

std::string json_text(const nl::json& value) {
    return value.dump(-1, ' ', false, nl::json::error_handler_t::replace);
}

class Interpreter final : public XeusInterpreterBase {
public:
    explicit Interpreter(CoreServices& services) : services_(services) {}

private:
    nl::json execute() override {
        ReplyText reply = services_.execute();
        return {{kStatus, reply.failed ? "error" : "ok"},
                {kContent, std::move(reply.content)},
                {kMetadata, std::move(reply.metadata)}};
    }
    nl::json kernel_info_request_impl() override { return services_.kernel_info(); }

    CoreServices& services_;
};

// xeus's core calls the server for each message that it sends, and the server calls xeus's core for each
// request.
class Server final : public xeus::xserver, public RequestCore {
public:
    explicit Server(CoreServices& services) : services_(services) {}

    void handle(Channel channel, const std::string& type, nl::json content) override {
        const nl::json header{{"msg_type", type}};  // the core reads nothing else of a header
        xeus::xmessage message({}, header, nl::json::object(), nl::json::object(), std::move(content), {});
        if (channel == Channel::control) {
            notify_control_listener(std::move(message));
        } else {
            notify_shell_listener(std::move(message));
        }
    }

private:
    void send_shell_impl(xeus::xmessage message) override { send(Channel::shell, message); }
    void send_control_impl(xeus::xmessage message) override { send(Channel::control, message); }
    void send(Channel channel, const xeus::xmessage& message) {
        const std::string type = message.header().value("msg_type", "");
        const nl::json& content = message.content();
        if (type == "execute_reply") {
            services_.reply(channel, type,
                            {content.value(kStatus, "") == "error", content.value(kContent, "{}"),
                             content.value(kMetadata, "{}")});
            return;
        }
        nl::json told = content;
        told["protocol_version"] = kProtocolVersion;  // what we speak, not what xeus could
        services_.reply(channel, type, {false, json_text(told)});
    }

    // Outputs don't come this way: SessionBridge publishes them.
    void publish_impl(xeus::xpub_message message, xeus::channel channel) override {
        const std::string type = message.header().value("msg_type", "");
        if (type == "execute_input") {
            services_.publish_execute_input();
        } else if (type == "status") {
            services_.publish_status(as_channel(channel), message.content().value("execution_state", ""));
        }
    }

    void start_impl(xeus::xpub_message) override { services_.serve(*this); }  // Publisher tells `starting`
    void stop_impl() override { services_.stop(); }
    void abort_queue_impl(const listener&, long) override { services_.abort_queued_cells(); }
    void send_stdin_impl(xeus::xmessage) override {}  // SessionBridge asks
    void update_config_impl(XeusConfiguration&) const override {}
    xeus::xcontrol_messenger& get_control_messenger_impl() override { return messenger_; }

    class Messenger final : public xeus::xcontrol_messenger {
        nl::json send_to_shell_impl(const nl::json&) override { return nl::json::object(); }
    };

    CoreServices& services_;
    Messenger messenger_;
};

using ServerPointer = xeus::xkernel::server_ptr;

// xeus wants a function that makes the server; ours waits in the context.
ServerPointer take_server(xeus::xcontext& context, const xeus::xconfiguration&, nl::json::error_handler_t) {
    return std::move(context.get_wrapped_context<ServerPointer>());
}

// Silences a stream while it lives.
class Quiet {
public:
    explicit Quiet(std::ostream& stream) : stream_(stream), before_(stream.rdbuf(nullptr)) {}
    ~Quiet() { stream_.rdbuf(before_); }
    Quiet(const Quiet&) = delete;
    Quiet& operator=(const Quiet&) = delete;

private:
    std::ostream& stream_;
    std::streambuf* before_;
};

}  // namespace

void serve_with_xeus(CoreServices& services) {
    const Quiet log(std::clog);     // for its version, when it starts
    const Quiet output(std::cout);  // for "Core instantiated", as of 5.0: a program's own output may be there
    auto context = make_xeus_context<ServerPointer>(std::make_unique<Server>(services));
    xeus::xkernel kernel(xeus::get_user_name(), std::move(context), std::make_unique<Interpreter>(services),
                         take_server);
    kernel.start();
}

std::string xeus_user_name() {
    return xeus::get_user_name();
}

}  // namespace cellblock::kernel
