// Execute requests: the prompt's number, the history, and the cell's way into the sandbox and back.
//
// Purpose: all that Jupyter's protocol says of one cell's content and reply. Who is told when is the core's
// matter (core.h), what a cell's outputs become is SessionBridge's.
//
//     execution.begin(content, request);              // numbers the cell, and gives it to the session
//     publish(execution.input_content(request));      // meanwhile the worker has it
//     reply(execution.finish(loop));                  // waits in the loop
//
// Refers to bridge and history, which must live longer. Main thread only; one cell at a time, as the session
// has it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "kernel/history/history.h"
#include "kernel/jupyter/wire.h"
#include "kernel/server/core.h"
#include "kernel/server/loop.h"
#include "kernel/server/session_bridge.h"

namespace cellblock::kernel {

class Execution {
public:
    Execution(SessionBridge& bridge, History& history) : bridge_(bridge), history_(history) {}

    // `content`: from whole_content(). The code is moved out of it, so that the cell's text is copied no
    // further. `request`: the message that it came from; also below.
    void begin(nlohmann::json& content, const Message& request);
    // The session has a cell that finish() wasn't called for.
    [[nodiscard]] bool is_running() const { return is_running_; }
    // The content of the cell's execute_input.
    [[nodiscard]] std::string input_content(const Message& request) const;
    // Runs the loop until the cell has ended. Where the kernel leaves first, the reply says so.
    ReplyText finish(Loop& loop);
    // Should the cells after this one be aborted if it fails?
    [[nodiscard]] bool stops_on_error() const { return stops_on_error_; }

private:
    SessionBridge& bridge_;
    History& history_;
    int last_count_ = 0;  // of the session's stored cells

    // The current cell.
    bool is_running_ = false;
    std::string started_;  // when, as an ISO date
    int count_ = 0;        // the number that it is shown with
    int reply_count_ = 0;  // and the number that its reply tells
    bool stores_ = false;  // it counts and goes into the history
    bool stops_on_error_ = false;
};

// The content of an execute_reply.
std::string execute_reply_content(const sandbox::Outcome& outcome, int count);

}  // namespace cellblock::kernel
