// Session: runs cells of untrusted Python code, one after another, in one sandbox.
//
// A Session starts its sandbox through an Engine, sends it cells, enforces the policy's deadlines, and gives
// back events that were checked, bounded and made harmless. When the worker or the sandbox dies, Session
// starts the next one by itself; variables are then lost and the cell's outcome says so. A whole program:
//
//     #include <sandbox/api/program.h>
//     #include <sandbox/api/session.h>
//     using namespace cellblock::sandbox;
//
//     int main() {
//         use_program(CELLBLOCK_PROGRAM);   // api/program.h: where cellblock is installed
//         auto policy = load_policy("default");
//         if (!policy) {
//             std::cerr << policy.error().text() << "\n";
//             return 2;
//         }
//         auto engine = make_engine(*policy);   // an Error is told by each cell's outcome
//         Session session(*policy, std::move(engine), {std::filesystem::current_path()});
//         ExecuteRequest request;
//         request.code = "print(6 * 7)";
//         const Outcome outcome = session.execute_blocking(std::move(request), [](Event event) {
//             if (auto* stream = std::get_if<StreamOutput>(&event)) {
//                 std::cout << stream->text;
//             }
//         });
//         if (outcome.error) {
//             std::cerr << outcome.error->ename << ": " << outcome.error->evalue << "\n";
//         }
//         return outcome.status == CellStatus::ok ? 0 : 1;
//     }
//
// A program with an event loop of its own (the Jupyter kernel is one) uses the same Session without blocking.
// Poll poll_fd() for reading until next_deadline() at the latest, then call advance(), which passes events to
// the sink:
//
//     const CellId cell = session.execute(std::move(request));
//     while (session.busy()) {
//         pollfd waiting{session.poll_fd(), POLLIN, 0};
//         ::poll(&waiting, 1, milliseconds_until(session.next_deadline()));
//         session.advance(sink);
//     }
//
// Ownership: a Session owns its engine and its sandbox. Its destructor kills the sandbox.
// Threads: one thread at a time. Different Sessions may be used by different threads.
// Failure: no function throws. If no sandbox can be had, each cell ends with the outcome `unavailable`, whose
// error says why and what to do.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/api/engine.h"
#include "sandbox/api/policy.h"
#include "sandbox/api/types.h"

namespace cellblock::sandbox {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Now = std::function<TimePoint()>;  // tests give a clock of their own
// Receives events, in their order. May call every function of the Session but advance() and
// execute_blocking().
using EventSink = std::function<void(Event)>;
// Answers a cell's question for the history, at once. Called by advance().
using HistorySource = std::function<HistoryAnswer(const HistoryQuestion&)>;

class Session {
public:
    // `engine` may be the Error of make_engine(); each cell then ends with that reason. Starts nothing yet.
    Session(const Policy& policy, Result<std::unique_ptr<Engine>> engine, StartOptions options,
            Now now = Clock::now);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // Begins to start a sandbox and returns at once. Optional: every request does it too.
    void start();

    // --- waiting

    // Owned by the Session, the same descriptor as long as the Session lives. Readable: call advance().
    [[nodiscard]] int poll_fd() const;
    // When advance() must be called though poll_fd() isn't readable; nullopt: no such time.
    [[nodiscard]] std::optional<TimePoint> next_deadline() const;
    // Does what is due, without waiting, and passes new events to `sink`.
    void advance(const EventSink& sink);

    // --- requests. Only one cell, comm message or query at a time: execute(), send_comm() and ask() need
    // !busy(). A caller that doesn't wait loses the request that runs: its last event never comes.

    [[nodiscard]] bool busy() const;
    // Runs a cell. Its last event is CellDone with the id that is given here.
    CellId execute(ExecuteRequest request);
    // Delivers a comm message. Its last event is CellDone, as for a cell.
    CellId send_comm(CommInput message);
    // Asks the worker. One QueryReply follows.
    QueryId ask(Query query);
    // Answers an InputRequest by its number. Ignored where that request no longer waits.
    void answer_input(std::uint64_t request, std::string value);
    // A request of the Debug Adapter Protocol, as JSON text, at any time, also while a cell runs. One
    // DebugReply follows. While a cell is stopped at a breakpoint, its clock stands still.
    DebugId debug(std::string request);
    // A request about the sandbox's files, at any time, also while a cell runs. One FileReply follows, in the
    // order of the requests; it has an error where none came within 30 s. At most 64 may be unanswered, of
    // 128 MiB together.
    FileId file(FileRequest request);
    // Runs a program beside the cells, at any time, also while one runs. Its last event is CommandDone.
    CommandId run_command(CommandRequest request);
    // Input for such a command, at most 16 MiB at a time; `end`: it is the last. CommandWantsInput tells when
    // the command has read all. False: it takes none (any more), or too much waits already.
    bool command_input(CommandId command, const std::string& bytes, bool end = false);
    // To the command and what it has started in its process group. Ignored where it has ended.
    void signal_command(CommandId command, int number);
    void resize_command(CommandId command, TerminalSize size);
    // The stop button's work: SIGINT to the cell, comm message, query or debugger's evaluation that runs. A
    // cell that hasn't stopped after Limits::grace_time is warned of on its stderr; an interrupt() half a
    // second after that or later kills the worker, and any before is SIGINT again. Where nothing runs,
    // nothing happens.
    void interrupt();
    // Kills the sandbox. When this returns, no process and no file of the sandbox is left. The cell that ran
    // gets no CellDone, and busy() stays true: only destroy the Session then.
    void shutdown();
    // Keeps what %pip has installed for a Session with the same StartOptions::session_name that starts within
    // ten minutes. Call before shutdown().
    void keep_packages();

    // execute() and the loop above in one: returns when the cell has ended. All events but that CellDone go
    // to `sink`.
    Outcome execute_blocking(ExecuteRequest request, const EventSink& sink);

    // file() and the loop in one: returns when the answer has come. While a cell runs its events go to
    // `sink`.
    FileReply file_blocking(
        FileRequest request, const EventSink& sink = [](const Event&) {});

    // run_command() and the loop in one: returns when the command has ended. `sink` gets the command's output
    // too.
    CommandResult run_command_blocking(
        CommandRequest request, const EventSink& sink = [](const Event&) {});

    // Sets who answers cells that ask for the history. Needed only where Policy::history isn't "none".
    void answer_history_by(HistorySource source);

    // --- state

    [[nodiscard]] const Policy& policy() const;
    // "3.11.2", once the worker has told: in a cold jail when it begins, elsewhere when it is ready. Before
    // that empty.
    [[nodiscard]] std::string python_version() const;
    // IPython's banner, once the worker is ready; before that empty.
    [[nodiscard]] std::string banner() const;
    // True: cells can be debugged; nullopt while the worker hasn't said yet.
    [[nodiscard]] std::optional<bool> has_debugger() const;
    // Why no sandbox can be had; empty while nothing failed.
    [[nodiscard]] std::string unavailable_reason() const;
    // The memory and time that the sandbox has used so far.
    [[nodiscard]] SandboxUsage usage() const;
    // The layers that are in force; empty while there is no sandbox.
    [[nodiscard]] std::vector<LayerState> layers() const;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace cellblock::sandbox
