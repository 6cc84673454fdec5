// Session: execute(code) on untrusted code.
//
// Purpose: owns one sandbox at a time through an Engine, the deadline ladder
// and the output firewall. Whatever leaves it is validated, bounded and inert.
// The Jupyter kernel is one client, `cellblock run` another.
//
// Shape: a non-blocking state machine. Poll poll_fd() for reading until
// next_deadline(), then call advance(), which hands events to the sink. At
// most one cell or comm message runs at a time; queries are asked between cells.
// When the sandbox or the worker dies, the Session starts the next one by itself.
//
// Ownership: owns engine and sandbox. Events are moved to the sink.
// Threads: one thread. The sink must not call back into advance(); it may call
// the other functions.
// Failure: never throws. A sandbox that can't be had is told as the outcome
// `unavailable` of each cell, with the reason and the remedy.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "sandbox/api/engine.h"
#include "sandbox/api/policy.h"
#include "sandbox/api/types.h"

namespace cellblock::sandbox {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Now = std::function<TimePoint()>;  // a test gives its own
using EventSink = std::function<void(Event)>;

using HistorySource = std::function<HistoryAnswer(const HistoryQuestion&)>;

struct ExecuteRequest {
    std::string code;
    bool silent = false;
    bool store_history = true;
    bool allow_stdin = false;
    int count = 1;                        // the prompt number
    std::string user_expressions = "{}";  // JSON object of strings
    std::string metadata = "{}";          // JSON object, relayed to the worker
    std::string parent;                   // the client's name of this request, for ipywidgets' Output
};

struct CommInput {
    CommKind kind = CommKind::message;
    std::string comm_id;
    std::string target_name;
    std::string data = "{}";      // JSON text
    std::string metadata = "{}";  // JSON text
    std::string parent;           // as in ExecuteRequest
    std::vector<std::string> buffers;
};

struct CompleteQuery {
    std::string code;
    int cursor = 0;
};
struct InspectQuery {
    std::string code;
    int cursor = 0;
    int detail = 0;
};
struct IsCompleteQuery {
    std::string code;
};
struct CommInfoQuery {
    std::optional<std::string> target_name;
};
using Query = std::variant<CompleteQuery, InspectQuery, IsCompleteQuery, CommInfoQuery>;

class Session {
public:
    Session(const Policy& policy, Result<std::unique_ptr<Engine>> engine, StartOptions options,
            Now now = Clock::now);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // Begins to start a sandbox; returns at once. execute() does it too.
    void start();

    // --- the state machine
    [[nodiscard]] int poll_fd() const;  // readable: call advance()
    [[nodiscard]] std::optional<TimePoint> next_deadline() const;
    void advance(const EventSink& sink);

    // --- requests. busy(): a cell, a comm message or a query is under way; one at a time.
    [[nodiscard]] bool busy() const;
    CellId execute(ExecuteRequest request);
    CellId send_comm(const CommInput& message);
    QueryId ask(const Query& query);
    void answer_input(std::uint64_t request, const std::string& value);
    // A request of the Debug Adapter Protocol, as JSON text; at any time, also while a cell runs.
    // One DebugReply follows. While a cell is stopped at a breakpoint, its clock stands still.
    DebugId debug(const std::string& request);
    // The user's ■: SIGINT. A second one kills the cell, once it was warned of (deadline.h). No cell: nothing
    // happens.
    void interrupt();
    // Kills the sandbox; nothing of it is left when this returns.
    void shutdown();
    // What %pip has installed outlives this Session, for one of the same name that starts within minutes.
    void keep_packages();

    // --- blocking, on top of the above: runs until the cell's CellDone.
    Outcome execute_blocking(ExecuteRequest request, const EventSink& sink);

    // Who answers a cell that asks for the history; only where the policy keeps one.
    void answer_history_by(HistorySource source);

    // --- facts
    [[nodiscard]] const Policy& policy() const;
    // "3.11.2" once the worker is ready (with a debugger: has begun), else empty.
    [[nodiscard]] std::string python_version() const;
    [[nodiscard]] std::string banner() const;  // IPython's, once ready
    // Is there a debugger? Nothing: the sandbox's Python hasn't said yet.
    [[nodiscard]] std::optional<bool> has_debugger() const;
    // Why no sandbox can be had; empty while one can.
    [[nodiscard]] std::string unavailable_reason() const;
    [[nodiscard]] SandboxUsage usage() const;
    // Which layers of the wall stand; empty while there is no sandbox.
    [[nodiscard]] std::vector<LayerState> layers() const;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace cellblock::sandbox
