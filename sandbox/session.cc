// Cells, comm messages and queries, one at a time, over a SandboxHost.
#include "sandbox/session.h"

#include <poll.h>

#include <algorithm>
#include <deque>

#include "sandbox/cell_options.h"
#include "sandbox/deadline.h"
#include "sandbox/outputs.h"
#include "sandbox/sandbox_host.h"
#include "sandbox/verdict.h"

namespace cellblock::sandbox {

namespace {

enum class ActivityKind { cell, comm, query };

// What the worker was asked to do.
struct Activity {
    ActivityKind kind = ActivityKind::cell;
    std::uint64_t id = 0;  // CellId, or QueryId of a query
    std::string bytes;     // the frame, until a worker is ready for it
    std::chrono::milliseconds time{};
    bool silent = false;
    bool allow_stdin = false;

    bool sent = false;
    TimePoint sent_at;
    std::optional<DeadlineLadder> ladder;  // once sent
    SandboxUsage used_before;
    std::optional<std::uint64_t> input_pending;
    std::optional<ErrorText> shown;  // the last error that the user saw
};

constexpr std::chrono::milliseconds kQueryTime{10'000};

}  // namespace

class Session::Impl {
public:
    Impl(const Policy& policy, Result<std::unique_ptr<Engine>> engine, StartOptions options, Now now)
        : now_(now),
          host_(policy, std::move(engine), std::move(options), std::move(now)),
          firewall_(policy) {}

    void advance(const EventSink& sink);
    std::optional<TimePoint> next_deadline() const;
    void begin(Activity activity);
    void begin_cell(ExecuteRequest request);
    void answer_input(std::uint64_t request, const std::string& value);
    void interrupt();

    Now now_;
    SandboxHost host_;
    OutputFirewall firewall_;
    std::optional<Activity> current_;
    CellId last_cell_ = 0;
    QueryId last_query_ = 0;
    std::deque<Event> events_;
    std::string banner_;
    std::string unavailable_;
    std::optional<Death> unnoticed_death_;

private:
    const Policy& policy() const { return host_.policy(); }
    bool is_current_cell(CellId cell) const {
        return current_ && current_->kind != ActivityKind::query && current_->id == cell;
    }
    bool overdue() const {
        return current_ && current_->ladder && current_->ladder->cause() == PushCause::deadline;
    }

    void dispatch_when_ready();
    void push(Push push);
    void refuse(const ErrorText& error, CellStatus status);
    void finish(Outcome outcome);
    void emit_error(ErrorText error);
    CellUsage usage_of_current(const SandboxUsage& used) const;
    void note_killed_children(const SandboxUsage& used);

    void handle(HostEvent event);
    void on(WorkerReady ready);
    void on(const WorkerFailed& /*failed*/) {}  // the host makes it an Unavailable
    template <class Output>
    requires std::is_same_v<Output, StreamOutput> || std::is_same_v<Output, DisplayOutput> ||
        std::is_same_v<Output, ClearOutput> || std::is_same_v<Output, CommOutput>
    void on(Output output);
    void on(ErrorOutput output);
    void on(InputRequest request);
    void on(CellFinished finished);
    void on(QueryReply reply);
    void on(const WorkerGone& gone);
    void on(const Unavailable& unavailable);
};

// --- requests

void Session::Impl::begin(Activity activity) {
    current_ = std::move(activity);
    host_.start();
    dispatch_when_ready();
}

void Session::Impl::begin_cell(ExecuteRequest request) {
    Activity cell;
    cell.id = ++last_cell_;
    cell.silent = request.silent;
    cell.allow_stdin = request.allow_stdin;
    if (request.code.size() > policy().limits.code_bytes) {
        current_ = std::move(cell);
        return refuse(
            make_error("CodeTooLong",
                       "the cell has " + format_size(request.code.size()) + " of source, " +
                           format_size(policy().limits.code_bytes) + " are allowed; nothing was run",
                       "policy \"" + policy().name + "\", key limits.code"),
            CellStatus::error);
    }
    auto options = read_cell_options(std::move(request.code), policy());
    if (!options) {
        current_ = std::move(cell);
        return refuse(make_error("UsageError", options.error().text()), CellStatus::error);
    }
    request.code = std::move(options->code);
    cell.time = options->time;
    cell.bytes = encode_execute(cell.id, request);
    begin(std::move(cell));
}

// Nothing was sent; the cell ends with this error.
void Session::Impl::refuse(const ErrorText& error, CellStatus status) {
    emit_error(error);
    Outcome outcome;
    outcome.status = status;
    outcome.error = error;
    finish(std::move(outcome));
}

void Session::Impl::dispatch_when_ready() {
    if (!current_ || current_->sent || !host_.ready()) {
        return;
    }
    if (unnoticed_death_ && current_->kind == ActivityKind::cell) {
        if (!current_->silent) {
            events_.emplace_back(StreamOutput{current_->id, StreamName::standard_error,
                                              restart_note(policy(), *unnoticed_death_)});
        }
        unnoticed_death_.reset();
    }
    current_->sent = true;
    current_->sent_at = now_();
    current_->used_before = host_.usage();
    current_->ladder.emplace(current_->sent_at, current_->time, policy().limits.grace_time);
    host_.send(std::move(current_->bytes));
}

void Session::Impl::push(Push push) {
    switch (push) {
        case Push::none:
            return;
        case Push::interrupt:
            current_->input_pending.reset();
            return host_.interrupt();
        case Push::kill_worker:
            return host_.kill_worker();
        case Push::kill_sandbox:
            return host_.kill_sandbox();
    }
}

void Session::Impl::interrupt() {
    if (!current_) {
        return;
    }
    if (current_->ladder) {
        return push(current_->ladder->user_interrupt(now_()));
    }
    refuse(make_error("KeyboardInterrupt", "interrupted before the sandbox was ready; nothing was run"),
           CellStatus::interrupted);
}

void Session::Impl::answer_input(std::uint64_t request, const std::string& value) {
    if (!current_ || current_->input_pending != request) {
        return;
    }
    current_->input_pending.reset();
    current_->ladder->resume(now_());
    host_.send(encode_input_reply(request, value));
}

// --- the machine

std::optional<TimePoint> Session::Impl::next_deadline() const {
    auto next = host_.next_deadline();
    if (current_ && current_->ladder) {
        const auto rung = current_->ladder->next();
        if (rung && (!next || *rung < *next)) {
            next = rung;
        }
    }
    return next;
}

void Session::Impl::advance(const EventSink& sink) {
    host_.advance([this](HostEvent event) { handle(std::move(event)); });
    if (current_ && current_->ladder) {
        push(current_->ladder->step(now_()));
    }
    dispatch_when_ready();
    while (!events_.empty()) {
        Event event = std::move(events_.front());
        events_.pop_front();
        sink(std::move(event));
    }
}

void Session::Impl::handle(HostEvent event) {
    std::visit(
        [this](auto&& one) {
            if constexpr (std::is_same_v<std::decay_t<decltype(one)>, WorkerMessage>) {
                std::visit([this](auto&& message) { on(std::forward<decltype(message)>(message)); },
                           std::forward<decltype(one)>(one));
            } else {
                on(std::forward<decltype(one)>(one));
            }
        },
        std::move(event));
}

CellUsage Session::Impl::usage_of_current(const SandboxUsage& used) const {
    CellUsage usage;
    usage.output_bytes = firewall_.output_bytes(current_->id);
    if (current_->sent) {
        usage.wall_seconds = std::chrono::duration<double>(now_() - current_->sent_at).count();
        usage.cpu_seconds = std::max(0.0, used.cpu_seconds - current_->used_before.cpu_seconds);
        usage.peak_memory_bytes = used.peak_memory_bytes;
    }
    return usage;
}

// A process that the cell started was killed, not the worker: the cell itself sees no more than a status.
void Session::Impl::note_killed_children(const SandboxUsage& used) {
    if (used.oom_kills > current_->used_before.oom_kills && !current_->silent) {
        events_.emplace_back(StreamOutput{current_->id, StreamName::standard_error, oom_note(policy())});
    }
}

void Session::Impl::emit_error(ErrorText error) {
    if (!current_->silent && current_->kind != ActivityKind::query) {
        events_.emplace_back(ErrorOutput{current_->id, std::move(error)});
    }
}

void Session::Impl::finish(Outcome outcome) {
    if (current_->kind == ActivityKind::query) {
        events_.emplace_back(QueryReply{current_->id, true, {}});
    } else {
        const SandboxUsage used = host_.usage();
        outcome.usage = usage_of_current(used);
        if (outcome.state == Survival::intact && current_->sent) {
            note_killed_children(used);
        }
        if (current_->ladder) {
            outcome.rung = current_->ladder->rung();
        }
        events_.emplace_back(CellDone{current_->id, std::move(outcome)});
    }
    current_.reset();
    host_.wake();
}

void Session::Impl::on(WorkerReady ready) {
    banner_ = std::move(ready.banner);
    unavailable_.clear();
}

template <class Output>
requires std::is_same_v<Output, StreamOutput> || std::is_same_v<Output, DisplayOutput> ||
    std::is_same_v<Output, ClearOutput> || std::is_same_v<Output, CommOutput>
void Session::Impl::on(Output output) {
    if (output.cell > last_cell_) {
        return host_.condemn("output for a cell that there is not");
    }
    for (auto& event : firewall_.admit(std::move(output))) {
        events_.push_back(std::move(event));
    }
}

void Session::Impl::on(ErrorOutput output) {
    if (output.cell > last_cell_) {
        return host_.condemn("an error for a cell that there is not");
    }
    output.error = OutputFirewall::bound(std::move(output.error));
    if (!is_current_cell(output.cell)) {
        // A thread of an earlier cell: counted, as any output.
        std::string text = output.error.ename + ": " + output.error.evalue + "\n";
        return on(StreamOutput{output.cell, StreamName::standard_error, std::move(text)});
    }
    if (overdue()) {
        if (current_->shown) {
            return;
        }
        output.error = timeout_error(policy(), current_->time, Survival::intact, &output.error);
    }
    current_->shown = output.error;
    emit_error(std::move(output.error));
}

void Session::Impl::on(InputRequest request) {
    if (!is_current_cell(request.cell) || !current_->allow_stdin || current_->input_pending) {
        return host_.condemn("a question that may not be asked");
    }
    auto admitted = firewall_.admit(std::move(request));
    if (!admitted) {
        return host_.condemn("it asks without end");
    }
    if (current_->ladder->rung() != Rung::none) {
        return;  // it is being stopped; the question breaks
    }
    current_->ladder->pause(now_());
    current_->input_pending = admitted->request;
    events_.emplace_back(std::move(*admitted));
}

void Session::Impl::on(CellFinished finished) {
    if (!is_current_cell(finished.cell) || !current_->sent) {
        return host_.condemn("an end for a cell that does not run");
    }
    Outcome outcome;
    outcome.user_expressions = std::move(finished.user_expressions);
    outcome.payload = std::move(finished.payload);
    if (overdue()) {
        outcome.status = CellStatus::timeout;
        if (!current_->shown) {
            current_->shown = timeout_error(policy(), current_->time, Survival::intact, nullptr);
            emit_error(*current_->shown);
        }
        outcome.error = current_->shown;
    } else if (finished.error) {
        const bool stopped = current_->ladder->cause() == PushCause::user;
        outcome.status = stopped ? CellStatus::interrupted : CellStatus::error;
        outcome.error = OutputFirewall::bound(std::move(*finished.error));
    }
    finish(std::move(outcome));
}

void Session::Impl::on(QueryReply reply) {
    if (!current_ || current_->kind != ActivityKind::query || current_->id != reply.query ||
        !current_->sent) {
        return host_.condemn("a reply that was never asked for");
    }
    current_.reset();
    events_.emplace_back(std::move(reply));
}

void Session::Impl::on(const WorkerGone& gone) {
    if (!current_ || !current_->sent) {
        unnoticed_death_ = gone.death;
        return;
    }
    if (current_->kind == ActivityKind::query) {
        unnoticed_death_ = gone.death;
        return finish({});
    }
    Outcome outcome;
    outcome.state = Survival::lost;
    outcome.status = CellStatus::killed;
    ErrorText error = death_error(policy(), gone.death);
    if (current_->ladder->rung() >= Rung::worker_killed) {
        const bool late = current_->ladder->cause() == PushCause::deadline;
        outcome.status = late ? CellStatus::timeout : CellStatus::interrupted;
        error = late ? timeout_error(policy(), current_->time, Survival::lost, nullptr)
                     : stubborn_error(policy());
    }
    emit_error(error);
    outcome.error = std::move(error);
    finish(std::move(outcome));
}

void Session::Impl::on(const Unavailable& unavailable) {
    unavailable_ = unavailable.reason;
    if (current_) {
        refuse(unavailable_error(unavailable.reason), CellStatus::unavailable);
    }
}

// --- the interface

Session::Session(const Policy& policy, Result<std::unique_ptr<Engine>> engine, StartOptions options, Now now)
    : impl_(std::make_unique<Impl>(policy, std::move(engine), std::move(options), std::move(now))) {}

Session::~Session() = default;

void Session::start() {
    impl_->host_.start();
}
int Session::poll_fd() const {
    return impl_->host_.poll_fd();
}
std::optional<TimePoint> Session::next_deadline() const {
    return impl_->next_deadline();
}
void Session::advance(const EventSink& sink) {
    impl_->advance(sink);
}
bool Session::busy() const {
    return impl_->current_.has_value();
}

CellId Session::execute(ExecuteRequest request) {
    impl_->begin_cell(std::move(request));
    return impl_->last_cell_;
}

CellId Session::send_comm(const CommInput& message) {
    Activity comm;
    comm.kind = ActivityKind::comm;
    comm.id = ++impl_->last_cell_;
    comm.time = policy().limits.cell_time;
    comm.bytes = encode_comm(comm.id, message);
    impl_->begin(std::move(comm));
    return impl_->last_cell_;
}

QueryId Session::ask(const Query& query) {
    Activity activity;
    activity.kind = ActivityKind::query;
    activity.id = ++impl_->last_query_;
    activity.time = std::min(policy().limits.cell_time, kQueryTime);
    activity.bytes = encode_query(activity.id, query);
    impl_->begin(std::move(activity));
    return impl_->last_query_;
}

void Session::answer_input(std::uint64_t request, const std::string& value) {
    impl_->answer_input(request, value);
}
void Session::interrupt() {
    impl_->interrupt();
}
void Session::shutdown() {
    impl_->host_.shutdown();
}

Outcome Session::execute_blocking(ExecuteRequest request, const EventSink& sink) {
    const CellId cell = execute(std::move(request));
    std::optional<Outcome> outcome;
    while (!outcome) {
        advance([&](Event event) {
            if (auto* done = std::get_if<CellDone>(&event); done != nullptr && done->cell == cell) {
                outcome = std::move(done->outcome);
            } else {
                sink(std::move(event));
            }
        });
        if (outcome) {
            break;
        }
        pollfd waiting{poll_fd(), POLLIN, 0};
        int timeout = -1;
        if (const auto next = next_deadline()) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - Clock::now());
            timeout = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
        }
        ::poll(&waiting, 1, timeout);
    }
    return std::move(*outcome);
}

const Policy& Session::policy() const {
    return impl_->host_.policy();
}
std::string Session::python_version() const {
    return impl_->host_.python_version();
}
std::string Session::banner() const {
    return impl_->banner_;
}
std::string Session::unavailable_reason() const {
    return impl_->unavailable_;
}
SandboxUsage Session::usage() const {
    return impl_->host_.usage();
}

}  // namespace cellblock::sandbox
