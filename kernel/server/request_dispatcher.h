// The requests that xeus's core answers wrongly or not at all.
//
// Purpose: they are answered here, before they reach the core. With
// request_content.* (defaults and types) and the rewriting in
// server_requests.cc this is all that stands between xeus 2.4.1 and the
// protocol. Point (of the protocol's acceptance list), what 2.4.1 does, where it
// is put right, and the first xeus in which that can go. "-": 6.0.5, the newest
// looked at, does the same. "?": newer servers and threads weren't looked at.
//
//   1-4, 9, 11  its ZMQ server parses first, verifies later: our own server           ?
//   7    dates of fewer than six digits: Publisher makes every header                 -
//   13   no control request while a cell runs: our loop runs inside of the cell       ?
//   15   connect_request is unknown: here                                             -
//   19   the count rises without store_history: server_requests.cc                    -
//   20   stop_on_error and allow_stdin have inverted defaults: request_content.cc     -
//   22   all that is queued is answered `error`: JupyterServer::abort_queue_impl      -
//   30   `started` as 7, metadata not handed on: server_requests.cc, interpreter.cc   -
//   34   no display_id on execute_result: SessionRelay (outputs don't pass the core)  -
//   38   output has the latest request's parent: SessionRelay                         -
//   41   any stdin message is the answer: SessionRelay                                -
//   42   `pwd` for `password`: SessionRelay                                       5.2.4
//   44   an interrupt can't break input(): the loop                                   ?
//   48   indent in every is_complete_reply: Interpreter (replies don't pass the core) -
//   49   range counts from 0, forgets sessions; no output: History                    -
//   50-52  comms live in a C++ registry: relayed to the session, here                 -
//   54   interrupt_request never reaches the interpreter, no status: here         6.0.0
//   56   shutdown_reply without status, on iopub as "shutdown": here                  -
//        an exception in a handler, and no reply at all: JupyterServer::give_to_core  -
//
// Ownership: refers to its parts, which outlive it. Threads: the main thread.
// Failure: each request is answered, with an error if need be.
#pragma once

#include <string>

#include "kernel/history/history.h"
#include "kernel/jupyter/connection.h"
#include "kernel/jupyter/publisher.h"
#include "kernel/server/loop.h"
#include "kernel/server/session_bridge.h"
#include "kernel/server/usage.h"

namespace cellblock::kernel {

class XeusGaps {
public:
    XeusGaps(const Connection& connection, Publisher& publisher, SessionRelay& relay, History& history)
        : connection_(connection), publisher_(publisher), relay_(relay), history_(history) {}

    // Answers the request with busy, reply and idle (a debug_request later, when there is
    // an answer), unless it is one for the core: then false, and nothing has happened.
    bool answer(const Message& request, Channel channel, Loop& loop);

    // Ends the sandbox, then the loop; nothing of the sandbox is left at return.
    void shut_down(Loop& loop);

private:
    using Handler = void (XeusGaps::*)(const Message&, Channel, Loop&);
    static Handler handler_of(const std::string& type);
    [[nodiscard]] static bool is_for_core(const std::string& type, Channel channel);

    void connect(const Message& request, Channel channel, Loop& loop);
    void history(const Message& request, Channel channel, Loop& loop);
    void interrupt(const Message& request, Channel channel, Loop& loop);
    void usage(const Message& request, Channel channel, Loop& loop);
    void shutdown(const Message& request, Channel channel, Loop& loop);
    void comm(const Message& request, Channel channel, Loop& loop);
    void comm_info(const Message& request, Channel channel, Loop& loop);

    const Connection& connection_;
    Publisher& publisher_;
    SessionRelay& relay_;
    History& history_;
    UsageMeter meter_;
};

// "execute_request" → "execute_reply"
std::string reply_type(const std::string& request_type);

}  // namespace cellblock::kernel
