// xeus's interpreter, on top of a Session.
//
// Purpose: turns the core's calls into cells and queries of the session, waits
// for them in the server's loop, and composes the replies.
// Ownership: refers to relay and loop, which outlive it. Threads: the main thread.
// Failure: each call gives a reply; a sandbox that isn't there is an error reply
// of a cell and an empty answer of a query.
#pragma once

#include <string>
#include <xeus/xinterpreter.hpp>

#include "kernel/server/loop.h"
#include "kernel/server/session_bridge.h"

namespace cellblock::kernel {

class Interpreter final : public xeus::xinterpreter {
public:
    Interpreter(SessionRelay& relay, Loop& loop) : relay_(relay), loop_(loop) {}

private:
    void configure_impl() override {}
    nl::json execute_request_impl(int count, const std::string& code, bool silent, bool store_history,
                                  nl::json user_expressions, bool allow_stdin) override;
    nl::json complete_request_impl(const std::string& code, int cursor) override;
    nl::json inspect_request_impl(const std::string& code, int cursor, int detail) override;
    nl::json is_complete_request_impl(const std::string& code) override;
    nl::json kernel_info_request_impl() override;
    void shutdown_request_impl() override {}  // XeusGaps ends the session

    void ask(const sandbox::Query& query, std::string otherwise);

    SessionRelay& relay_;
    Loop& loop_;
};

// The content of an execute_reply.
std::string execute_reply_content(const sandbox::Outcome& outcome, int count);

}  // namespace cellblock::kernel
