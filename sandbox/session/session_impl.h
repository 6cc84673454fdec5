// How a Session does it: one activity at a time, over a SandboxHost.
//
// Purpose: private to Session. Requests (session_requests.cc) begin an
// activity; what the sandbox sends (session_messages.cc) moves it on and ends
// it; session_machine.cc has the clock and the end.
// Ownership: as session.h says. Threads: one. Failure: never throws.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "sandbox/api/session.h"
#include "sandbox/audit/log.h"
#include "sandbox/outputs/cleaner.h"
#include "sandbox/outputs/output_filter.h"
#include "sandbox/packages/installer.h"
#include "sandbox/session/debug_relay.h"
#include "sandbox/session/escalation.h"
#include "sandbox/session/sandbox_host.h"

namespace cellblock::sandbox {

enum class ActivityKind { cell, comm, query };

// What the worker was asked to do.
struct Activity {
    ActivityKind kind = ActivityKind::cell;
    std::uint64_t id = 0;  // CellId, or QueryId of a query
    std::string bytes;     // the frame, until a worker is ready for it
    std::chrono::milliseconds time{};
    bool silent = false;
    bool allow_stdin = false;
    bool show_usage = false;
    std::string code_digest;  // of a cell, where it is audited
    std::size_t code_bytes = 0;

    TimePoint begun_at;
    bool noticed = false;  // the user sees that it waits for a sandbox
    bool sent = false;
    TimePoint sent_at;
    std::optional<DeadlineLadder> ladder;  // once sent
    SandboxUsage used_before;
    bool was_interrupted = false;  // by the user
    std::optional<std::uint64_t> input_pending;
    int history_questions = 0;
    int installs = 0;
    bool over = false;  // its end has come, and may wait for outputs that are being made inert
    // Its end, held back until the debugger has told that it went on: front ends clear what they show then.
    std::optional<CellFinished> end;
    TimePoint end_held_until;
    std::uint64_t install_pending = 0;  // the request's number, while the installer is busy
    std::optional<ErrorText> shown;     // the last error that the user saw
    std::optional<ErrorText> withheld;  // the last that didn't fit any more; shown if the cell ends with it
};

class Session::Impl {
public:
    Impl(const Policy& policy, Result<std::unique_ptr<Engine>> engine, StartOptions options, Now now);

    void advance(const EventSink& sink);
    std::optional<TimePoint> next_deadline() const;
    void begin(Activity activity);
    void begin_cell(ExecuteRequest request);
    void answer_input(std::uint64_t request, const std::string& value);
    void interrupt();
    DebugId debug(const std::string& request);
    // What a task gives is passed to `then`, if the task isn't a violation. Until then nothing else that the
    // sandbox sent is looked at, and little more is read.
    void clean(CleaningTask task, std::function<void(Result<Cleaned>)> then);
    void shutdown();

    Now now_;
    Installer installer_;
    SandboxHost host_;
    OutputFirewall firewall_;
    std::unique_ptr<Cleaner> cleaner_;
    AuditLog audit_;
    HistorySource history_;
    std::optional<Error> audit_failed_;  // from then on nothing runs
    std::optional<Activity> current_;
    CellId last_cell_ = 0;
    CellId last_sent_ = 0;  // output can be for no later one
    QueryId last_query_ = 0;
    std::deque<Event> events_;
    std::string banner_;
    std::string unavailable_;
    std::optional<Death> unnoticed_death_;
    DebugRelay debug_;
    DebugId last_debug_ = 0;

private:
    const Policy& policy() const { return host_.policy(); }
    // The worker was given it, and it hasn't ended: only such a cell may ask for something, fail or end.
    bool runs(CellId cell) const {
        return current_ && current_->kind != ActivityKind::query && current_->id == cell && current_->sent;
    }
    bool shows_output() const { return current_->kind != ActivityKind::query && !current_->silent; }
    bool being_stopped() const {
        return current_->ladder->rung() > Rung::interrupt || current_->ladder->cause() == PushCause::deadline;
    }
    bool overdue() const {
        return current_ && current_->ladder && current_->ladder->cause() == PushCause::deadline;
    }

    struct Cleaning {
        CleaningTask task;  // until the cleaner has it
        std::function<void(Result<Cleaned>)> then;
    };

    void advance_cleaning();
    [[nodiscard]] bool next_worker_waits() const;
    void add(std::vector<Event> events);
    void dispatch_when_ready();
    void advance_install();
    [[nodiscard]] std::optional<TimePoint> notice_time() const;
    void notice_wait();
    void end_notice();
    void push_by_clock();
    void push(Push push);
    void set_clock();
    void refuse(const ErrorText& error, CellStatus status);
    void finish(Outcome outcome);
    void record(Outcome& outcome);
    void emit_error(ErrorText error);
    CellUsage usage_of_current(const SandboxUsage& used) const;
    void note_killed_children(const SandboxUsage& used);

    void handle(HostEvent event);
    void take(HostEvent event);
    void on(WorkerReady ready);
    void on(const WorkerFailed& /*failed*/) {}  // the host makes it an Unavailable
    template <class Output>
    requires std::is_same_v<Output, StreamOutput> || std::is_same_v<Output, ClearOutput>
    void on(Output output);
    template <class Output>
    requires std::is_same_v<Output, DisplayOutput> || std::is_same_v<Output, CommOutput>
    void on(Output output);
    void on(ErrorOutput output);
    void on(InputRequest request);
    void on(const HistoryQuestion& question);
    void on(const InstallRequest& request);
    void on(CellFinished finished);
    void cell_finished(CellFinished finished);
    void end_cell(CellFinished finished);
    void release_end();
    void on(QueryReply reply);
    void on(DebugMessage message);
    void on_debug(const DebugMessage& message);
    void on(const WorkerGone& gone);
    void on(const Unavailable& unavailable);

    std::deque<Cleaning> cleanings_;  // the first is with the cleaner
    std::deque<HostEvent> held_;  // came while one was; a turn of reading at most, and a dead worker's rest
};

}  // namespace cellblock::sandbox
