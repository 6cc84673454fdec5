// The interfaces between the Jupyter server and xeus, which puts each request between `busy` and `idle`.
//
// Purpose: the server and the library know each other by these two interfaces alone, so the library's headers
// and versions stay in its own room, kernel/xeus. The server gives each request to the core; the core calls
// back for what the kernel answers, and for each message that belongs to the request:
//
//     server: core.handle(Channel::shell, "execute_request", content)
//       core: services.publish_status(shell, "busy"), publish_execute_input(), execute(), reply(shell, …),
//             abort_queued_cells() after an error, publish_status(shell, "idle")
//
// The services are the server's and outlive the core. Everything runs on the main thread. A core may throw
// nothing from handle(); where it sends no reply or no `idle`, the server makes up for them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "kernel/jupyter/connection.h"

namespace cellblock::kernel {

// The reply to a request, as JSON text.
struct ReplyText {
    bool failed = false;  // the content's "status" is "error"
    std::string content;
    std::string metadata = "{}";
};

// The library's side.
class RequestCore {
public:
    virtual ~RequestCore() = default;
    // Handles the server's current request on `channel`. `content` has every field that the core reads, of
    // the right type; the code of a cell isn't in it, because the server has it.
    virtual void handle(Channel channel, const std::string& type, nlohmann::json content) = 0;
};

// The server's side. What is said of "the request" means the one that was given to the core last on that
// channel.
class CoreServices {
public:
    virtual ~CoreServices() = default;
    // Runs the server's loop, which gives requests to `core`, until stop() or the kernel's end.
    virtual void serve(RequestCore& core) = 0;
    virtual void stop() = 0;

    // Waits until the request's cell, which the server has begun already, has ended. Never throws.
    virtual ReplyText execute() = 0;
    // The content of kernel_info_reply, without the protocol's version.
    [[nodiscard]] virtual nlohmann::json kernel_info() const = 0;

    virtual void publish_status(Channel channel, const std::string& state) = 0;
    virtual void publish_execute_input() = 0;
    virtual void reply(Channel channel, const std::string& type, ReplyText reply) = 0;
    // Answers the cells that wait in the queue with `aborted`.
    virtual void abort_queued_cells() = 0;
};

}  // namespace cellblock::kernel
