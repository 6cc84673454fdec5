// Cells, comm messages and queries, one at a time, over a SandboxHost.
#include "sandbox/session.h"

#include <poll.h>

#include <algorithm>
#include <deque>

#include "sandbox/audit/log.h"
#include "sandbox/base/sha256.h"
#include "sandbox/cell_options.h"
#include "sandbox/deadline.h"
#include "sandbox/debug_relay.h"
#include "sandbox/outputs/firewall.h"
#include "sandbox/packages/installer.h"
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
    bool show_usage = false;
    std::string code_digest;  // of a cell, where it is audited
    std::size_t code_bytes = 0;

    TimePoint begun_at;
    bool noticed = false;  // the user sees that it waits for a sandbox
    bool sent = false;
    TimePoint sent_at;
    std::optional<DeadlineLadder> ladder;  // once sent
    SandboxUsage used_before;
    std::optional<std::uint64_t> input_pending;
    int history_questions = 0;
    int installs = 0;
    std::uint64_t install_pending = 0;  // the request's number, while the installer is busy
    std::optional<ErrorText> shown;     // the last error that the user saw
};

constexpr std::chrono::milliseconds kPatience{1000};  // before a wait for a sandbox is told of
constexpr int kHistoryQuestions = 32;                 // of a cell; each may take the host's time
constexpr int kInstalls = 32;                         // of a cell

StartOptions showing(StartOptions options, const std::string& packages) {
    options.packages = packages;
    return options;
}

}  // namespace

class Session::Impl {
public:
    Impl(const Policy& policy, Result<std::unique_ptr<Engine>> engine, StartOptions options, Now now)
        : now_(now),
          installer_(policy, options.session_name, now),
          host_(policy, std::move(engine), showing(std::move(options), installer_.folder()), std::move(now)),
          firewall_(policy),
          audit_(policy),
          debug_(policy, firewall_, events_) {
        host_.watch_also(installer_.poll_fd());
    }

    void advance(const EventSink& sink);
    std::optional<TimePoint> next_deadline() const;
    void begin(Activity activity);
    void begin_cell(ExecuteRequest request);
    void answer_input(std::uint64_t request, const std::string& value);
    void interrupt();
    DebugId debug(const std::string& request);

    Now now_;
    Installer installer_;
    SandboxHost host_;
    OutputFirewall firewall_;
    AuditLog audit_;
    HistorySource history_;
    std::optional<Error> audit_failed_;  // from then on nothing runs
    std::optional<Activity> current_;
    CellId last_cell_ = 0;
    QueryId last_query_ = 0;
    std::deque<Event> events_;
    std::string banner_;
    std::string unavailable_;
    std::optional<Death> unnoticed_death_;
    DebugRelay debug_;
    DebugId last_debug_ = 0;

private:
    const Policy& policy() const { return host_.policy(); }
    bool is_current_cell(CellId cell) const {
        return current_ && current_->kind != ActivityKind::query && current_->id == cell;
    }
    bool overdue() const {
        return current_ && current_->ladder && current_->ladder->cause() == PushCause::deadline;
    }

    void dispatch_when_ready();
    void advance_install();
    [[nodiscard]] std::optional<TimePoint> notice_time() const;
    void notice_wait();
    void end_notice();
    void push(Push push);
    void set_clock();
    void refuse(const ErrorText& error, CellStatus status);
    void finish(Outcome outcome);
    void record(Outcome& outcome);
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
    void on(const HistoryQuestion& question);
    void on(const InstallRequest& request);
    void on(CellFinished finished);
    void on(QueryReply reply);
    void on(const DebugMessage& message);
    void on(const WorkerGone& gone);
    void on(const Unavailable& unavailable);
};

// --- requests

void Session::Impl::begin(Activity activity) {
    current_ = std::move(activity);
    current_->begun_at = now_();
    host_.start();
    dispatch_when_ready();
}

void Session::Impl::begin_cell(ExecuteRequest request) {
    Activity cell;
    cell.id = ++last_cell_;
    cell.silent = request.silent;
    cell.allow_stdin = request.allow_stdin;
    if (audit_.on()) {
        if (const auto ready = audit_failed_ ? Status(*audit_failed_) : audit_.prepare(); !ready) {
            current_ = std::move(cell);
            return refuse(unavailable_error(ready.error().text()), CellStatus::unavailable);
        }
        cell.code_digest = sha256(request.code);
        cell.code_bytes = request.code.size();
    }
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
    cell.show_usage = options->show_usage;
    cell.bytes = encode_execute(cell.id, request);
    begin(std::move(cell));
}

// When the cell has waited so long for its sandbox that the user should know.
std::optional<TimePoint> Session::Impl::notice_time() const {
    const bool wanted = current_ && current_->kind == ActivityKind::cell && !current_->silent &&
                        !current_->sent && !current_->noticed;
    return wanted ? std::optional(current_->begun_at + kPatience) : std::nullopt;
}

void Session::Impl::notice_wait() {
    if (const auto time = notice_time(); time && now_() >= *time) {
        current_->noticed = true;
        events_.emplace_back(StartNotice{current_->id, "starting sandbox (" + policy().engine + ")…\n"});
    }
}

void Session::Impl::end_notice() {
    if (std::exchange(current_->noticed, false)) {
        events_.emplace_back(StartNotice{current_->id, {}});
    }
}

// Nothing was sent; the cell ends with this error.
void Session::Impl::refuse(const ErrorText& error, CellStatus status) {
    end_notice();
    emit_error(error);
    Outcome outcome;
    outcome.status = status;
    outcome.error = error;
    finish(std::move(outcome));
}

void Session::Impl::dispatch_when_ready() {
    if (!current_ || current_->sent || !host_.ready() || debug_.inspecting()) {
        return;
    }
    end_notice();
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
    set_clock();
}

// It stands still while the user is asked something, or looks at a cell that is stopped.
void Session::Impl::set_clock() {
    if (!current_ || !current_->ladder) {
        return;
    }
    const bool stopped = debug_.stopped() && current_->kind != ActivityKind::query;
    if (current_->input_pending || stopped || installer_.busy()) {
        current_->ladder->pause(now_());
    } else {
        current_->ladder->resume(now_());
    }
}

void Session::Impl::push(Push push) {
    switch (push) {
        case Push::none:
            return;
        case Push::interrupt:
            if (current_) {
                current_->input_pending.reset();
            }
            return host_.interrupt();
        case Push::kill_worker:
            return host_.kill_worker();
        case Push::kill_sandbox:
            return host_.kill_sandbox();
    }
}

void Session::Impl::interrupt() {
    push(debug_.user_interrupt(now_()));
    if (!current_) {
        return;
    }
    if (current_->ladder) {
        installer_.cancel();
        set_clock();
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
    set_clock();
    host_.send(encode_input_reply(request, value));
}

DebugId Session::Impl::debug(const std::string& request) {
    const DebugId id = ++last_debug_;
    if (debug_.offered()) {
        host_.start();
    }
    auto frame = debug_.begin(id, request, !current_ && host_.ready(), now_());
    if (frame && !host_.send_to_debugger(std::move(*frame))) {
        debug_.fail_all(unavailable_.empty() ? "the sandbox's Python isn't there; ask again later"
                                             : "no sandbox can be had: " + unavailable_);
    }
    set_clock();
    host_.wake();
    return id;
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
    if (const auto notice = notice_time(); notice && (!next || *notice < *next)) {
        next = notice;
    }
    if (const auto install = installer_.next_deadline(); install && (!next || *install < *next)) {
        next = install;
    }
    if (const auto answer = debug_.next(); answer && (!next || *answer < *next)) {
        next = answer;
    }
    return next;
}

void Session::Impl::advance(const EventSink& sink) {
    host_.advance([this](HostEvent event) { handle(std::move(event)); });
    advance_install();
    if (current_ && current_->ladder) {
        push(current_->ladder->step(now_()));
    }
    push(debug_.step(now_()));
    dispatch_when_ready();
    notice_wait();
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
                std::visit([this](auto&& message) { this->on(std::forward<decltype(message)>(message)); },
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
    installer_.cancel();
    if (current_->kind == ActivityKind::query) {
        events_.emplace_back(QueryReply{current_->id, true, {}});
    } else {
        const SandboxUsage used = host_.usage();
        outcome.usage = usage_of_current(used);
        if (outcome.state == Survival::intact && current_->sent) {
            note_killed_children(used);
        }
        if (current_->show_usage && !current_->silent) {
            events_.emplace_back(
                StreamOutput{current_->id, StreamName::standard_output, usage_note(outcome.usage)});
        }
        if (current_->ladder) {
            outcome.rung = current_->ladder->rung();
        }
        record(outcome);
        events_.emplace_back(CellDone{current_->id, std::move(outcome)});
    }
    current_.reset();
    host_.wake();
}

// Before anybody is told of the cell's end.
void Session::Impl::record(Outcome& outcome) {
    if (current_->code_digest.empty()) {
        return;
    }
    const auto written =
        audit_.append(current_->code_digest, current_->code_bytes, outcome, firewall_.was_cut(current_->id));
    if (!written) {
        audit_failed_ = written.error();
        outcome.status = CellStatus::error;
        outcome.error = unavailable_error(written.error().text());
        emit_error(*outcome.error);
    }
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
    current_->input_pending = admitted->request;
    set_clock();
    events_.emplace_back(std::move(*admitted));
}

void Session::Impl::on(const HistoryQuestion& question) {
    if (policy().history == "none" || !is_current_cell(question.cell) || !current_->sent ||
        ++current_->history_questions > kHistoryQuestions) {
        return host_.condemn("a question for the history that may not be asked");
    }
    const HistoryAnswer answer = history_ ? history_(question) : HistoryAnswer{"[]", "nothing keeps it here"};
    host_.send(encode_history_reply(question.request, answer));
}

void Session::Impl::on(const InstallRequest& request) {
    if (!is_current_cell(request.cell) || !current_->sent || installer_.busy() ||
        ++current_->installs > kInstalls) {
        return host_.condemn("packages that may not be asked for");
    }
    if (current_->ladder->rung() != Rung::none) {
        return;  // it is being stopped; the request breaks
    }
    current_->install_pending = request.request;
    installer_.begin(request, host_.python_version());
    set_clock();
}

void Session::Impl::advance_install() {
    const auto answer = installer_.advance([this](const std::string& line) {
        on(StreamOutput{current_->id, StreamName::standard_output, line + "\n"});
    });
    if (answer) {
        host_.send(encode_install_reply(current_->install_pending, *answer));
        set_clock();
    }
}

void Session::Impl::on(CellFinished finished) {
    if (!is_current_cell(finished.cell) || !current_->sent) {
        return host_.condemn("an end for a cell that does not run");
    }
    Outcome outcome;
    outcome.user_expressions = firewall_.admit_expressions(finished.user_expressions);
    outcome.payload = firewall_.admit_payload(finished.payload);
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
    reply.content = firewall_.admit_reply(reply.content);
    events_.emplace_back(std::move(reply));
}

void Session::Impl::on(const DebugMessage& message) {
    const auto taken = std::visit(
        [this](const auto& one) {
            if constexpr (requires { debug_.take(one, now_()); }) {
                return debug_.take(one, now_());
            } else {
                return debug_.take(one);
            }
        },
        message);
    if (!taken) {
        return host_.condemn(taken.error().message);
    }
    set_clock();
}

void Session::Impl::on(const WorkerGone& gone) {
    firewall_.forget_comms();
    debug_.fail_all("the sandbox's Python has ended, and its debugger with it");
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
    debug_.fail_all("no sandbox can be had: " + unavailable.reason);
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
    if (message.kind == CommKind::open) {
        impl_->firewall_.opened_by_client(message.comm_id, message.target_name);
    }
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
DebugId Session::debug(const std::string& request) {
    return impl_->debug(request);
}
void Session::interrupt() {
    impl_->interrupt();
}
void Session::shutdown() {
    impl_->installer_.cancel();
    impl_->host_.shutdown();
}
void Session::keep_packages() {
    impl_->installer_.keep_folder();
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

void Session::answer_history_by(HistorySource source) {
    impl_->history_ = std::move(source);
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
std::optional<bool> Session::has_debugger() const {
    return impl_->debug_.available();
}
std::string Session::unavailable_reason() const {
    return impl_->unavailable_;
}
std::vector<LayerState> Session::layers() const {
    return impl_->host_.layers();
}

SandboxUsage Session::usage() const {
    return impl_->host_.usage();
}

}  // namespace cellblock::sandbox
