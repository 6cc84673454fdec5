// Session::Impl: one activity at a time, over a SandboxHost. Private to session/.
//
// session.cc begins activities, holds their deadlines and ends them; session_events.cc takes what the sandbox
// sends. Each message that a sandbox sends goes by take() to an on(), which checks that the message may come
// now; outputs then pass the output filter. What has to be parsed is given to the cleaner by clean(); until
// its answer everything else waits, so that the order stays. Ownership, threads and failure as in
// api/session.h.
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
#include "sandbox/files/host_changes.h"
#include "sandbox/files/keeper.h"
#include "sandbox/network/gateway.h"
#include "sandbox/outputs/cleaner.h"
#include "sandbox/outputs/output_filter.h"
#include "sandbox/packages/installer.h"
#include "sandbox/session/activity.h"
#include "sandbox/session/command_relay.h"
#include "sandbox/session/debug_relay.h"
#include "sandbox/session/file_relay.h"
#include "sandbox/session/sandbox_host.h"

namespace cellblock::sandbox {

class Session::Impl {
public:
    Impl(const Policy& policy, Result<std::unique_ptr<Engine>> engine, StartOptions options, Now now);

    void advance(const EventSink& sink);
    std::optional<TimePoint> next_deadline() const;
    void begin(Activity activity);
    void begin_cell(ExecuteRequest request);
    void begin_command(CommandId id, CommandRequest request);
    void answer_input(std::uint64_t request, std::string value);
    void interrupt();
    DebugId debug(std::string request);
    // Gives a task to the cleaner. Its result is passed to `then`, unless the task shows a violation. Until
    // then nothing else that the sandbox sent is looked at, and little more is read.
    void clean(CleaningTask task, std::function<void(Result<Cleaned>)> then);
    void shutdown();

    Now now_;
    files::Keeper keeper_;
    files::HostChanges host_changes_;
    Installer installer_;
    SandboxHost host_;
    OutputFilter output_filter_;
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
    FileRelay files_;
    CommandRelay commands_;
    network::Gateway gateway_;
    std::string network_fault_;            // for the next cell's stderr
    RateBound connection_lines_{500, 20};  // of the audit log
    std::uint64_t left_out_ = 0;           // connections since the last line
    FileId last_file_ = 0;
    CommandId last_command_ = 0;
    std::string told_of_changes_;  // the last line about what cells can't see

private:
    const Policy& policy() const { return host_.policy(); }
    bool runs(CellId cell) const { return current_ && current_->runs(cell); }
    bool overdue() const { return current_ && current_->overdue(); }

    struct Cleaning {
        CleaningTask task;  // until the cleaner has it
        std::function<void(Result<Cleaned>)> then;
    };

    void advance_cleaning();
    [[nodiscard]] bool next_worker_waits() const;
    void add(std::vector<Event> events);
    void dispatch_when_ready();
    void see_host_changes();
    void advance_network();
    void advance_install();
    [[nodiscard]] std::optional<TimePoint> notice_time() const;
    void notice_wait();
    void end_notice();
    void escalate();
    void act(EscalationAction action);
    void set_clock();
    void refuse(const ErrorText& error, CellStatus status);
    void finish(Outcome outcome);
    void advance_keeping();
    void close(Outcome outcome);
    void record(Outcome& outcome);
    [[nodiscard]] Status record(const CommandReport& report, const CommandDone& done);
    void emit_error(ErrorText error);
    CellUsage usage_of_current(const SandboxUsage& used) const;
    void note_killed_children(const SandboxUsage& used);

    void handle(HostEvent event);
    void take(HostEvent event);
    void on(WorkerReady ready);
    void on(const WorkerStarting& /*starting*/) {}  // the SandboxHost keeps the version
    void on(const WorkerFailed& /*failed*/) {}      // the SandboxHost makes it an Unavailable
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
    void on_debug(DebugMessage message);
    void on(FileMessage message);
    void on(CommandMessage message);
    void on(const WorkerGone& gone);
    void on(const Unavailable& unavailable);

    std::deque<Cleaning> cleanings_;  // the first is with the cleaner
    // The sandbox's messages that came meanwhile: a turn of reading at most, and the rest of a dead worker.
    std::deque<HostEvent> held_;
};

}  // namespace cellblock::sandbox
