// What a sandbox sends to a Session: checked against what was asked, then passed on.
#include "sandbox/session/outcome_messages.h"
#include "sandbox/session/session_impl.h"

namespace cellblock::sandbox {

namespace {

constexpr int kHistoryQuestions = 32;  // of a cell; each may take the host's time
constexpr int kInstalls = 32;          // of a cell
constexpr std::chrono::milliseconds kDebuggerTime{500};

RawJson* only_json(Cleaned& cleaned) {
    return cleaned.parts.size() == 1 ? std::get_if<RawJson>(&cleaned.parts.front().value) : nullptr;
}

}  // namespace

void Session::Impl::take(HostEvent event) {
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

void Session::Impl::on(WorkerReady ready) {
    banner_ = std::move(ready.banner);
    unavailable_.clear();
}

template <class Output>
requires std::is_same_v<Output, StreamOutput> || std::is_same_v<Output, ClearOutput>
void Session::Impl::on(Output output) {
    if (output.cell > last_sent_) {
        return host_.condemn("output for a cell that there is not");
    }
    add(firewall_.admit(std::move(output)));
}

template <class Output>
requires std::is_same_v<Output, DisplayOutput> || std::is_same_v<Output, CommOutput>
void Session::Impl::on(Output output) {
    if (output.cell > last_sent_) {
        return host_.condemn("output for a cell that there is not");
    }
    auto begun = firewall_.begin(output);
    add(std::move(begun.events));
    if (begun.task) {
        clean(std::move(*begun.task),
              [this, cost = begun.cost, output = std::move(output)](Result<Cleaned> cleaned) mutable {
                  add(firewall_.finish(std::move(output), cost, std::move(cleaned)));
              });
    }
}

void Session::Impl::on(ErrorOutput output) {
    if (output.cell > last_sent_) {
        return host_.condemn("an error for a cell that there is not");
    }
    if (!runs(output.cell)) {  // a thread of an earlier cell
        output.error = OutputFirewall::bound(std::move(output.error));
        std::string text = output.error.ename + ": " + output.error.evalue + "\n";
        return on(StreamOutput{output.cell, StreamName::standard_error, std::move(text)});
    }
    if (overdue() && current_->shown) {
        return;
    }
    const auto cut = firewall_.charge(output);
    output.error = OutputFirewall::bound(std::move(output.error));
    if (cut && !overdue()) {
        current_->withheld = std::move(output.error);
        events_.insert(events_.end(), cut->begin(), cut->end());
        return;
    }
    if (overdue()) {
        output.error = timeout_error(policy(), current_->time, Survival::intact, &output.error);
    }
    current_->shown = output.error;
    emit_error(std::move(output.error));
}

void Session::Impl::on(InputRequest request) {
    // After an interrupt the question before this one may have been on its way here when the cell gave it up.
    if (!runs(request.cell) || !current_->allow_stdin ||
        (current_->input_pending && !current_->was_interrupted)) {
        return host_.condemn("a question that may not be asked");
    }
    auto admitted = firewall_.admit(std::move(request));
    if (!admitted) {
        return host_.condemn("it asks without end");
    }
    if (being_stopped()) {
        return;  // the question breaks
    }
    current_->ladder->went_on();
    current_->input_pending = admitted->request;
    set_clock();
    events_.emplace_back(std::move(*admitted));
}

void Session::Impl::on(const HistoryQuestion& question) {
    if (policy().history == "none" || !runs(question.cell) ||
        ++current_->history_questions > kHistoryQuestions) {
        return host_.condemn("a question for the history that may not be asked");
    }
    const HistoryAnswer answer = history_ ? history_(question) : HistoryAnswer{"[]", "nothing keeps it here"};
    host_.send(encode_history_reply(question.request, answer));
}

void Session::Impl::on(const InstallRequest& request) {
    if (current_ && current_->was_interrupted) {
        installer_.cancel();  // what crossed the interrupt is waited for no more
    }
    if (!runs(request.cell) || installer_.busy() || ++current_->installs > kInstalls) {
        return host_.condemn("packages that may not be asked for");
    }
    if (being_stopped()) {
        return;  // the request breaks
    }
    current_->ladder->went_on();
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
    if (!runs(finished.cell) || current_->end) {
        return host_.condemn("an end for a cell that does not run");
    }
    current_->over = true;
    auto begun = firewall_.begin(finished.cell, finished.user_expressions, finished.payload);
    add(std::move(begun.events));
    if (!begun.task) {
        return cell_finished(std::move(finished));
    }
    clean(std::move(*begun.task), [this, finished = std::move(finished)](Result<Cleaned> cleaned) mutable {
        add(firewall_.finish(finished.cell, finished.user_expressions, finished.payload, std::move(cleaned)));
        cell_finished(std::move(finished));
    });
}

void Session::Impl::cell_finished(CellFinished finished) {
    if (!debug_.resuming()) {
        return end_cell(std::move(finished));
    }
    current_->end = std::move(finished);
    current_->end_held_until = now_() + kDebuggerTime;
}

// The debugger has a socket of its own, so its event can come after the cell's end.
void Session::Impl::release_end() {
    if (current_ && current_->end && (!debug_.resuming() || now_() >= current_->end_held_until)) {
        end_cell(std::move(*current_->end));
    }
}

void Session::Impl::end_cell(CellFinished finished) {
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
        if (current_->withheld) {
            emit_error(std::move(*current_->withheld));
        }
    }
    finish(std::move(outcome));
}

void Session::Impl::on(QueryReply reply) {
    if (!current_ || current_->kind != ActivityKind::query || current_->id != reply.query ||
        !current_->sent || current_->over) {
        return host_.condemn("a reply that was never asked for");
    }
    current_->over = true;
    CleaningTask task;
    task.kind = CleaningTask::Kind::reply;
    task.parts.push_back({"content", std::move(reply.content)});
    clean(std::move(task), [this, query = reply.query](Result<Cleaned> cleaned) {
        QueryReply answer{query, true, {}};
        if (RawJson* content = cleaned ? only_json(*cleaned) : nullptr; content != nullptr) {
            answer.failed = false;
            answer.content = std::move(*content);
        }
        current_.reset();
        events_.emplace_back(std::move(answer));
    });
}

void Session::Impl::on(DebugMessage message) {
    RawJson* content = nullptr;
    if (auto* answer = std::get_if<DebugAnswer>(&message)) {
        content = &answer->content;
    } else if (auto* news = std::get_if<DebugNews>(&message)) {
        content = &news->content;
    }
    if (content == nullptr) {
        return on_debug(message);
    }
    CleaningTask task;
    task.kind = CleaningTask::Kind::debug;
    task.parts.push_back({"content", std::move(*content)});
    clean(std::move(task), [this, message = std::move(message)](Result<Cleaned> cleaned) mutable {
        RawJson* inert = cleaned ? only_json(*cleaned) : nullptr;
        if (auto* answer = std::get_if<DebugAnswer>(&message)) {
            answer->content = inert != nullptr ? std::move(*inert) : RawJson{R"({"success":false})"};
            on_debug(message);
        } else if (auto* news = std::get_if<DebugNews>(&message); news != nullptr && inert != nullptr) {
            news->content = std::move(*inert);
            on_debug(message);
        }
    });
}

void Session::Impl::on_debug(const DebugMessage& message) {
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
    cleaner_->stop();  // nothing is with it now; the worker's comms are gone
    firewall_.forget_comms();
    debug_.fail_all("the sandbox's Python has ended, and its debugger with it");
    if (current_ && current_->end) {
        end_cell(std::move(*current_->end));
    }
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
        error = late ? timeout_error(policy(), current_->time, Survival::lost, nullptr) : stubborn_error();
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

}  // namespace cellblock::sandbox
