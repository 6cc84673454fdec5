// Turns the session's events into Jupyter messages, each with the right parent.
//
// Purpose: remembers which request made which cell, so that the output of a thread still goes to its cell
// long after that cell's `idle`. Publishes outputs in the order in which they came, asks for input(), and
// keeps a cell's outcome until it is taken.
//
//     bridge.execute(std::move(request), origin);
//     loop.run_until([&] { return bridge.finished(); });  // the loop calls advance()
//     const auto outcome = bridge.take_outcome();
//
// Refers to session, publisher and history, which must live longer. Main thread only. What goes wrong in a
// session is told by its outcomes.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "kernel/history/history.h"
#include "kernel/jupyter/publisher.h"
#include "kernel/server/command_comms.h"
#include "kernel/server/debug_requests.h"
#include "kernel/server/file_comms.h"
#include "kernel/server/stream_merger.h"
#include "sandbox/api/session.h"

namespace cellblock::kernel {

// The request that a cell or comm message came from.
struct Origin {
    std::string header = "{}";
    std::string id;
    Frames identities;
    int count = 0;
    bool stores = false;  // its result goes into the history
};

class SessionBridge {
public:
    static constexpr std::size_t kRememberedCells = 1000;

    SessionBridge(sandbox::Session& session, Publisher& publisher, History& history)
        : session_(session),
          publisher_(publisher),
          history_(history),
          debug_(session, publisher),
          file_comms_(session, publisher),
          command_comms_(session, publisher),
          streams_([this](const sandbox::StreamOutput& output) { publish(output); }) {}

    // Begin a cell, a comm message or a query; one at a time. Once finished() is true, take_outcome() has a
    // cell's or a comm message's outcome, and take_reply() a query's answer.
    sandbox::CellId execute(sandbox::ExecuteRequest request, Origin origin);
    sandbox::CellId send_comm(const sandbox::CommInput& message, Origin origin);
    sandbox::QueryId ask(const sandbox::Query& query);
    [[nodiscard]] bool finished() const { return outcome_ || reply_; }
    std::optional<sandbox::Outcome> take_outcome() { return std::exchange(outcome_, std::nullopt); }
    std::optional<sandbox::QueryReply> take_reply() { return std::exchange(reply_, std::nullopt); }

    // Publishes what the session has. To be called when the session's descriptor is readable, and at
    // next_deadline().
    void advance();
    [[nodiscard]] std::optional<sandbox::TimePoint> next_deadline() const;
    // Interrupts the cell, and closes the question that it may have asked.
    void interrupt();
    // Begins a debug_request; its reply and `idle` come with the debugger's answer.
    void debug(const Message& request, Channel channel) { debug_.begin(request, channel); }
    // Takes a client's input_reply if it answers the open question; otherwise drops it.
    void take_input(const Message& message);

    [[nodiscard]] FileComms& file_comms() { return file_comms_; }
    [[nodiscard]] CommandComms& command_comms() { return command_comms_; }
    [[nodiscard]] sandbox::Session& session() { return session_; }

private:
    struct Question {
        std::uint64_t request = 0;
        std::string message_id;
        Origin origin;
    };

    void remember(sandbox::CellId cell, Origin origin);
    [[nodiscard]] const Origin& origin_of(sandbox::CellId cell) const;

    void publish(const sandbox::StreamOutput& output);
    void on(sandbox::StreamOutput output);
    void on(sandbox::DisplayOutput output);
    void on(const sandbox::ClearOutput& output);
    void on(const sandbox::ErrorOutput& output);
    void on(const sandbox::InputRequest& request);
    void on(const sandbox::StartNotice& notice);
    void on(sandbox::CommOutput output);
    void on(sandbox::CellDone done);
    void on(sandbox::QueryReply reply);
    void on(sandbox::DebugReply reply) { debug_.on(std::move(reply)); }
    void on(sandbox::DebugEvent event) { debug_.on(std::move(event)); }
    void on(const sandbox::FileReply& reply) { file_comms_.on(reply); }
    void on(sandbox::CommandOutput output) { command_comms_.on(std::move(output)); }
    void on(const sandbox::CommandWantsInput& wants) { command_comms_.on(wants); }
    void on(const sandbox::CommandDone& done) { command_comms_.on(done); }

    sandbox::Session& session_;
    Publisher& publisher_;
    History& history_;
    DebugRequests debug_;
    FileComms file_comms_;
    CommandComms command_comms_;
    StreamMerger streams_;
    std::map<sandbox::CellId, Origin> origins_;
    std::optional<Question> question_;
    bool is_silent_ = false;  // the cell that runs
    std::optional<sandbox::Outcome> outcome_;
    std::optional<sandbox::QueryReply> reply_;
};

}  // namespace cellblock::kernel
