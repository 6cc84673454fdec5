// A Session's interface, its requests, its clock, and how an activity ends.
#include "sandbox/api/session.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "sandbox/base/digests.h"
#include "sandbox/session/cell_options.h"
#include "sandbox/session/import_names.h"
#include "sandbox/session/outcome_messages.h"
#include "sandbox/session/session_impl.h"

namespace cellblock::sandbox {

namespace {

constexpr std::chrono::milliseconds kPatience{1000};  // before a wait for a sandbox is told of

// All other events go to `sink`.
template <class Wanted, class IsIt>
Wanted wait_for_event(Session& session, const IsIt& is_it, const EventSink& sink) {
    std::optional<Wanted> came;
    while (true) {
        session.advance([&](Event event) {
            if (auto* one = std::get_if<Wanted>(&event); one != nullptr && is_it(*one)) {
                came = std::move(*one);
            } else {
                sink(std::move(event));
            }
        });
        if (came) {
            return std::move(*came);
        }
        pollfd waiting{session.poll_fd(), POLLIN, 0};
        int timeout = -1;
        if (const auto next = session.next_deadline()) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - Clock::now());
            timeout = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
        }
        ::poll(&waiting, 1, timeout);
    }
}

StartOptions showing(StartOptions options, const std::string& packages) {
    options.packages = packages;
    return options;
}

}  // namespace

Session::Impl::Impl(const Policy& policy, Result<std::unique_ptr<Engine>> engine, StartOptions options,
                    Now now)
    : now_(now),
      keeper_(policy, options.directory),
      host_changes_(policy, options.directory),
      installer_(policy, options.session_name, now),
      host_(policy, std::move(engine), showing(std::move(options), installer_.folder()), std::move(now)),
      output_filter_(policy),
      cleaner_(make_cleaner(policy.outputs)),
      audit_(policy),
      debug_(policy, events_),
      files_(events_, host_, keeper_),
      commands_(
          events_, host_,
          [this](const CommandReport& report, const CommandDone& done) { return record(report, done); }),
      gateway_(policy) {
    host_.watch_also(installer_.poll_fd());
    if (keeper_.on()) {
        host_.watch_also(keeper_.poll_fd());
    }
    if (cleaner_->poll_fd() >= 0) {
        host_.watch_also(cleaner_->poll_fd());
    }
    if (gateway_.on()) {
        host_.watch_also(gateway_.poll_fd());
    }
}

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

CellId Session::send_comm(CommInput message) {
    if (message.kind == CommKind::open) {
        CleaningTask opened;
        opened.kind = CleaningTask::Kind::client_comm;
        opened.name = message.comm_id;
        opened.target = message.target_name;
        impl_->clean(std::move(opened), [impl = impl_.get()](const Result<Cleaned>& cleaned) {
            if (cleaned) {
                impl->output_filter_.comm_is_open();
            }
        });
        impl_->host_.wake();
    }
    Activity comm;
    comm.kind = ActivityKind::comm;
    comm.id = ++impl_->last_cell_;
    comm.time = policy().limits.cell_time;
    comm.frame = encode_comm(comm.id, std::move(message));
    impl_->begin(std::move(comm));
    return impl_->last_cell_;
}

QueryId Session::ask(Query query) {
    Activity activity;
    activity.kind = ActivityKind::query;
    activity.id = ++impl_->last_query_;
    activity.time = std::min(policy().limits.cell_time, kQueryTime);
    activity.frame = encode_query(activity.id, std::move(query));
    impl_->begin(std::move(activity));
    return impl_->last_query_;
}

void Session::answer_input(std::uint64_t request, std::string value) {
    impl_->answer_input(request, std::move(value));
}
DebugId Session::debug(std::string request) {
    return impl_->debug(std::move(request));
}
void Session::interrupt() {
    impl_->interrupt();
}
void Session::shutdown() {
    impl_->shutdown();
}
void Session::keep_packages() {
    impl_->installer_.keep_folder();
}

FileId Session::file(FileRequest request) {
    impl_->host_.start();
    impl_->files_.begin(++impl_->last_file_, std::move(request));
    impl_->host_.wake();
    return impl_->last_file_;
}

CommandId Session::run_command(CommandRequest request) {
    impl_->begin_command(++impl_->last_command_, std::move(request));
    impl_->host_.wake();
    return impl_->last_command_;
}

bool Session::command_input(CommandId command, const std::string& bytes, bool end) {
    return impl_->commands_.input(command, bytes, end);
}

void Session::signal_command(CommandId command, int number) {
    impl_->commands_.signal(command, number);
    impl_->host_.wake();
}

void Session::resize_command(CommandId command, TerminalSize size) {
    impl_->commands_.resize(command, size);
}

Outcome Session::execute_blocking(ExecuteRequest request, const EventSink& sink) {
    const CellId cell = execute(std::move(request));
    return std::move(wait_for_event<CellDone>(
                         *this, [&](const CellDone& done) { return done.cell == cell; }, sink)
                         .outcome);
}

FileReply Session::file_blocking(FileRequest request, const EventSink& sink) {
    const FileId id = file(std::move(request));
    return wait_for_event<FileReply>(
        *this, [&](const FileReply& reply) { return reply.request == id; }, sink);
}

CommandResult Session::run_command_blocking(CommandRequest request, const EventSink& sink) {
    CommandResult result;
    const CommandId id = run_command(std::move(request));
    static_cast<CommandDone&>(result) = wait_for_event<CommandDone>(
        *this, [&](const CommandDone& done) { return done.command == id; },
        [&](Event event) {
            auto* output = std::get_if<CommandOutput>(&event);
            if (output != nullptr && output->command == id) {
                (output->is_error ? result.standard_error : result.standard_output) += output->bytes;
            }
            sink(std::move(event));
        });
    return result;
}

void Session::answer_history_by(HistorySource source) {
    impl_->history_ = std::move(source);
}

const Policy& Session::policy() const {
    return impl_->host_.policy();
}
std::string Session::python_version() const {
    const std::string& version = impl_->host_.python_version();
    return version.empty() ? impl_->debug_.python_version() : version;
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

// --- requests

void Session::Impl::begin(Activity activity) {
    current_ = std::move(activity);
    current_->begun_at = now_();
    host_.start();
    dispatch_when_ready();
}

void Session::Impl::begin_command(CommandId id, CommandRequest request) {
    if (audit_.on()) {
        if (auto ready = audit_failed_ ? Status(*audit_failed_) : audit_.prepare(); !ready) {
            return commands_.refuse(id, ready.error());
        }
    }
    host_.start();
    commands_.begin(id, std::move(request));
}

Status Session::Impl::record(const CommandReport& report, const CommandDone& done) {
    if (!audit_.on()) {
        return Ok{};
    }
    auto written = audit_.append(report, done);
    if (!written) {
        audit_failed_ = written.error();
    }
    return written;
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
    auto options = read_cell_options(std::move(request.code), policy(), request.time_limit);
    if (!options) {
        current_ = std::move(cell);
        return refuse(make_error("UsageError", options.error().text()), CellStatus::error);
    }
    request.code = std::move(options->code);
    cell.time = options->time;
    cell.show_usage = options->show_usage;
    const auto imports = import_names(request.code);
    cell.frame = encode_execute(cell.id, std::move(request));
    begin(std::move(cell));
    host_.note_imports(imports);
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
        events_.emplace_back(StartNotice{current_->id, "starting sandbox (" + host_.engine_name() + ")…\n"});
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
    if (!current_ || current_->sent || !host_.ready() || debug_.inspecting() || next_worker_waits()) {
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
    if (!network_fault_.empty() && current_->shows_output()) {
        events_.emplace_back(
            StreamOutput{current_->id, StreamName::standard_error,
                         "cellblock: no network: " + std::exchange(network_fault_, {}) + "\n"});
    }
    if (current_->kind == ActivityKind::cell) {
        see_host_changes();
    }
    current_->sent = true;
    if (current_->kind != ActivityKind::query) {
        last_sent_ = current_->id;
    }
    current_->sent_at = now_();
    current_->escalation.emplace(current_->sent_at, current_->time, policy().limits.grace_time,
                                 current_->shows_output() ? Warnings::shown : Warnings::unseen);
    host_.send(std::move(current_->frame));
    current_->used_before = host_.usage();  // while the worker wakes up, as this takes as long
    if (keeper_.on() && current_->kind == ActivityKind::cell) {
        current_->changes = host_.changes();
    }
    host_changes_.begin();
    set_clock();
}

void Session::Impl::advance_network() {
    if (!gateway_.on()) {
        return;
    }
    for (const auto& report : gateway_.take()) {
        if (!audit_.on() || audit_failed_) {
            continue;
        }
        if (!connection_lines_.spend(now_())) {
            ++left_out_;
        } else if (auto written = audit_.append(report, std::exchange(left_out_, 0)); !written) {
            audit_failed_ = written.error();
        }
    }
    if (auto fault = gateway_.fault(); !fault.empty()) {
        network_fault_ = std::move(fault);
    }
}

// Files that the host has replaced, made or removed in a folder that an overlay shows.
void Session::Impl::see_host_changes() {
    const auto changed = host_changes_.take();
    if (!changed) {
        return;
    }
    std::vector<std::string> inside;
    for (const auto& one : *changed) {
        inside.push_back(one.inside);
    }
    const auto seen = host_.see_host_changes(inside);
    std::string line;
    if (!seen && seen.error().code == ENOTSUP) {
        return host_changes_.stop();
    }
    if (!seen) {
        line = seen.error().text() + "\n";
    } else if (const auto changes = host_.changes()) {
        files::touch_folders(*changed, changes->get());
        auto old = files::still_old(*changed, *seen, changes->get());
        line = still_old_note(old);
        host_changes_.give_back(std::move(old));
    }
    if (line != told_of_changes_ && !line.empty() && !current_->silent) {
        events_.emplace_back(StreamOutput{current_->id, StreamName::standard_error, line});
    }
    told_of_changes_ = std::move(line);
}

// It stands still while the user is asked something, or looks at a cell that is stopped.
void Session::Impl::set_clock() {
    if (!current_ || !current_->escalation) {
        return;
    }
    const bool stopped = debug_.stopped() && current_->kind != ActivityKind::query;
    if (current_->input_pending || stopped || installer_.busy()) {
        current_->escalation->pause(now_());
    } else {
        current_->escalation->resume(now_());
    }
}

void Session::Impl::act(EscalationAction action) {
    switch (action) {
        case EscalationAction::none:
            return;
        case EscalationAction::interrupt:
            if (current_) {
                current_->input_pending.reset();
            }
            return host_.interrupt();
        case EscalationAction::warn:
            events_.emplace_back(
                StreamOutput{current_->id, StreamName::standard_error, not_stopped_note(current_->time)});
            return;
        case EscalationAction::kill_worker:
            return host_.kill_worker();
        case EscalationAction::kill_sandbox:
            return host_.kill_sandbox();
    }
}

void Session::Impl::interrupt() {
    act(debug_.user_interrupt(now_()));
    if (current_ && current_->outcome) {
        keeper_.cancel();
    }
    if (!current_ || current_->over) {
        return;
    }
    if (current_->escalation) {
        current_->was_interrupted = true;
        installer_.cancel();
        set_clock();
        return act(current_->escalation->user_interrupt(now_()));
    }
    refuse(make_error("KeyboardInterrupt", "interrupted before the sandbox was ready; nothing was run"),
           CellStatus::interrupted);
}

void Session::Impl::answer_input(std::uint64_t request, std::string value) {
    if (!current_ || current_->input_pending != request) {
        return;
    }
    current_->input_pending.reset();
    set_clock();
    host_.send(encode_input_reply(request, std::move(value)));
}

DebugId Session::Impl::debug(std::string request) {
    const DebugId id = ++last_debug_;
    if (debug_.offered()) {
        host_.start();
    }
    auto frame = debug_.begin(id, std::move(request), !current_ && host_.ready(), now_());
    if (frame && next_worker_waits()) {
        debug_.fail(id, "the sandbox's Python has ended; ask again later");
    } else if (frame && !host_.send_to_debugger(std::move(*frame))) {
        debug_.fail_all(unavailable_.empty() ? "the sandbox's Python isn't there; ask again later"
                                             : "no sandbox can be had: " + unavailable_);
    }
    set_clock();
    host_.wake();
    return id;
}

// --- the clock, and the end of an activity

std::optional<TimePoint> Session::Impl::next_deadline() const {
    auto next = host_.next_deadline();
    if (current_ && current_->escalation && !current_->over) {
        const auto step = current_->escalation->next_deadline();
        if (step && (!next || *step < *next)) {
            next = step;
        }
    }
    if (const auto notice = notice_time(); notice && (!next || *notice < *next)) {
        next = notice;
    }
    if (const auto install = installer_.next_deadline(); install && (!next || *install < *next)) {
        next = install;
    }
    if (current_ && current_->end && (!next || current_->end_held_until < *next)) {
        next = current_->end_held_until;
    }
    if (const auto cleaned = cleaner_->due(); cleaned && (!next || *cleaned < *next)) {
        next = cleaned;
    }
    if (const auto answer = debug_.next_deadline(); answer && (!next || *answer < *next)) {
        next = answer;
    }
    if (const auto answer = files_.next_deadline(); answer && (!next || *answer < *next)) {
        next = answer;
    }
    if (const auto command = commands_.next_deadline(); command && (!next || *command < *next)) {
        next = command;
    }
    return next;
}

void Session::Impl::advance(const EventSink& sink) {
    escalate();  // first: no flood from the sandbox delays it
    host_.advance([this](HostEvent event) { handle(std::move(event)); });
    advance_cleaning();
    advance_install();
    advance_keeping();
    advance_network();
    release_end();
    escalate();
    dispatch_when_ready();
    files_.advance(now_());
    commands_.advance(now_());
    notice_wait();
    while (!events_.empty()) {
        Event event = std::move(events_.front());
        events_.pop_front();
        sink(std::move(event));
    }
}

void Session::Impl::escalate() {
    if (current_ && current_->escalation && !current_->over) {
        act(current_->escalation->advance(now_()));
    }
    act(debug_.step(now_()));
}

CellUsage Session::Impl::usage_of_current(const SandboxUsage& used) const {
    CellUsage usage;
    usage.output_bytes = output_filter_.output_bytes(current_->id);
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
        current_.reset();
        return host_.wake();
    }
    const SandboxUsage used = host_.usage();
    outcome.usage = usage_of_current(used);
    if (outcome.state == Survival::intact && current_->sent) {
        note_killed_children(used);
    }
    if (!current_->silent) {
        output_filter_.tell_cut_again(current_->id, events_);
    }
    if (current_->show_usage && !current_->silent) {
        events_.emplace_back(
            StreamOutput{current_->id, StreamName::standard_output, usage_note(outcome.usage)});
    }
    if (current_->escalation) {
        outcome.escalation = current_->escalation->step();
    }
    if (!current_->changes) {
        return close(std::move(outcome));
    }
    current_->over = true;
    current_->outcome = std::move(outcome);
    keeper_.begin(std::move(*current_->changes));
    advance_keeping();  // where nothing has changed
}

void Session::Impl::advance_keeping() {
    if (auto kept = keeper_.take(); kept && current_ && current_->outcome) {
        Outcome outcome = std::move(*current_->outcome);
        outcome.files = std::move(kept->files);
        outcome.not_kept = std::move(kept->not_kept);
        close(std::move(outcome));
    }
}

void Session::Impl::close(Outcome outcome) {
    record(outcome);
    events_.emplace_back(CellDone{current_->id, std::move(outcome)});
    current_.reset();
    host_.wake();
}

// Before anybody is told of the cell's end.
void Session::Impl::record(Outcome& outcome) {
    if (current_->code_digest.empty()) {
        return;
    }
    const auto written = audit_.append(current_->code_digest, current_->code_bytes, outcome,
                                       output_filter_.was_cut(current_->id));
    if (!written) {
        audit_failed_ = written.error();
        outcome.status = CellStatus::error;
        outcome.error = unavailable_error(written.error().text());
        emit_error(*outcome.error);
    }
}

}  // namespace cellblock::sandbox
