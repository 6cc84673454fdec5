// A Session's clock, and how an activity ends.
#include <algorithm>

#include "sandbox/session/outcome_messages.h"
#include "sandbox/session/session_impl.h"

namespace cellblock::sandbox {

std::optional<TimePoint> Session::Impl::next_deadline() const {
    auto next = host_.next_deadline();
    if (current_ && current_->ladder && !current_->over) {
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
    if (current_ && current_->end && (!next || current_->end_held_until < *next)) {
        next = current_->end_held_until;
    }
    if (const auto cleaned = cleaner_->due(); cleaned && (!next || *cleaned < *next)) {
        next = cleaned;
    }
    if (const auto answer = debug_.next(); answer && (!next || *answer < *next)) {
        next = answer;
    }
    return next;
}

void Session::Impl::advance(const EventSink& sink) {
    push_by_clock();  // first: whatever a sandbox sends, its time runs
    host_.advance([this](HostEvent event) { handle(std::move(event)); });
    advance_cleaning();
    advance_install();
    release_end();
    push_by_clock();
    dispatch_when_ready();
    notice_wait();
    while (!events_.empty()) {
        Event event = std::move(events_.front());
        events_.pop_front();
        sink(std::move(event));
    }
}

void Session::Impl::push_by_clock() {
    if (current_ && current_->ladder && !current_->over) {
        push(current_->ladder->step(now_()));
    }
    push(debug_.step(now_()));
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
        if (!current_->silent) {
            firewall_.tell_cut_again(current_->id, events_);
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

}  // namespace cellblock::sandbox
