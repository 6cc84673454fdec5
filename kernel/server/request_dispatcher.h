// Answers every request except those that a core leads (core.h): execute_request, and kernel_info_request.
//
// Purpose: one table from a request's type to its handler. A request is answered from `busy` to `idle`, with
// an error if need be; a debug_request's reply and `idle` come later, when the debugger has answered.
// Completion, inspection, is_complete, comms and comm_info go to the sandbox and are waited for in the loop;
// whatever needs the worker is refused on the control channel, because the worker may be busy with a cell.
// Comms for files (file_comms.h) are answered on both.
//
// Refers to its parts, which must live longer. Main thread only. What a handler throws becomes an error
// reply.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "kernel/history/history.h"
#include "kernel/jupyter/connection.h"
#include "kernel/jupyter/publisher.h"
#include "kernel/server/loop.h"
#include "kernel/server/session_bridge.h"
#include "kernel/server/usage.h"

namespace cellblock::kernel {

// The type of the reply to a request: "execute_request" → "execute_reply".
std::string reply_type(const std::string& request_type);

class RequestDispatcher {
public:
    RequestDispatcher(const Connection& connection, Publisher& publisher, SessionBridge& bridge,
                      History& history)
        : connection_(connection), publisher_(publisher), bridge_(bridge), history_(history) {}

    // False: the request is one for the core, and nothing has happened.
    bool answer(const Message& request, Channel channel, Loop& loop);

    // Ends the sandbox, then the loop; nothing of the sandbox is left at return.
    void shut_down(Loop& loop);

private:
    using Handler = void (RequestDispatcher::*)(const Message&, Channel, Loop&);
    struct Route;
    static const Route* route_of(const std::string& type);

    void connect(const Message& request, Channel channel, Loop& loop);
    void history(const Message& request, Channel channel, Loop& loop);
    void interrupt(const Message& request, Channel channel, Loop& loop);
    void usage(const Message& request, Channel channel, Loop& loop);
    void shutdown(const Message& request, Channel channel, Loop& loop);
    void complete(const Message& request, Channel channel, Loop& loop);
    void inspect(const Message& request, Channel channel, Loop& loop);
    void is_complete(const Message& request, Channel channel, Loop& loop);
    void comm(const Message& request, Channel channel, Loop& loop);
    void comm_info(const Message& request, Channel channel, Loop& loop);

    void handle(Handler handler, const Message& request, Channel channel, Loop& loop);
    // The session's answer to `query`, or `otherwise` where it has none.
    std::string answer_to(const sandbox::Query& query, std::string otherwise, Loop& loop);
    void reply(const Message& request, std::string content) {
        publisher_.reply(Channel::shell, request, reply_type(request.type()), std::move(content));
    }

    const Connection& connection_;
    Publisher& publisher_;
    SessionBridge& bridge_;
    History& history_;
    UsageMeter meter_;
};

}  // namespace cellblock::kernel
