// What a client asks of a Session.
#include "sandbox/base/digests.h"
#include "sandbox/session/cell_options.h"
#include "sandbox/session/outcome_messages.h"
#include "sandbox/session/session_impl.h"

namespace cellblock::sandbox {

namespace {

constexpr std::chrono::milliseconds kPatience{1000};  // before a wait for a sandbox is told of

}  // namespace

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
    current_->sent = true;
    if (current_->kind != ActivityKind::query) {
        last_sent_ = current_->id;
    }
    current_->sent_at = now_();
    current_->ladder.emplace(current_->sent_at, current_->time, policy().limits.grace_time,
                             shows_output() ? Warnings::shown : Warnings::unseen);
    host_.send(std::move(current_->bytes));
    current_->used_before = host_.usage();  // while the worker wakes up, as this takes as long
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
        case Push::warn:
            events_.emplace_back(
                StreamOutput{current_->id, StreamName::standard_error, not_stopped_note(current_->time)});
            return;
        case Push::kill_worker:
            return host_.kill_worker();
        case Push::kill_sandbox:
            return host_.kill_sandbox();
    }
}

void Session::Impl::interrupt() {
    push(debug_.user_interrupt(now_()));
    if (!current_ || current_->over) {
        return;
    }
    if (current_->ladder) {
        current_->was_interrupted = true;
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

}  // namespace cellblock::sandbox
