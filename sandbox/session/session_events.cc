// Events from the sandbox: a Session checks them against what was asked, makes them inert, and passes them
// on.
#include <algorithm>
#include <iterator>
#include <utility>

#include "sandbox/channel/messages.h"
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
    if (gateway_.on()) {
        auto listener = host_.listener();
        const auto begun = listener ? gateway_.begin(std::move(*listener)) : Status(listener.error());
        network_fault_ = begun ? "" : begun.error().text();
        if (begun && !gateway_.certificate().empty()) {
            host_.send(encode_trust(gateway_.certificate()));
        }
    }
}

template <class Output>
requires std::is_same_v<Output, StreamOutput> || std::is_same_v<Output, ClearOutput>
void Session::Impl::on(Output output) {
    if (output.cell > last_sent_) {
        return host_.condemn("output for a cell that there is not");
    }
    add(output_filter_.admit(std::move(output)));
}

template <class Output>
requires std::is_same_v<Output, DisplayOutput> || std::is_same_v<Output, CommOutput>
void Session::Impl::on(Output output) {
    if (output.cell > last_sent_) {
        return host_.condemn("output for a cell that there is not");
    }
    auto begun = output_filter_.begin(output);
    add(std::move(begun.events));
    if (begun.task) {
        clean(std::move(*begun.task),
              [this, cost = begun.cost, output = std::move(output)](Result<Cleaned> cleaned) mutable {
                  add(output_filter_.finish(std::move(output), cost, std::move(cleaned)));
              });
    }
}

void Session::Impl::on(ErrorOutput output) {
    if (output.cell > last_sent_) {
        return host_.condemn("an error for a cell that there is not");
    }
    if (!runs(output.cell)) {  // a thread of an earlier cell
        output.error = OutputFilter::bound(std::move(output.error));
        std::string text = output.error.ename + ": " + output.error.evalue + "\n";
        return on(StreamOutput{output.cell, StreamName::standard_error, std::move(text)});
    }
    if (overdue() && current_->shown) {
        return;
    }
    const auto cut = output_filter_.charge(output);
    output.error = OutputFilter::bound(std::move(output.error));
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
    auto admitted = output_filter_.admit(std::move(request));
    if (!admitted) {
        return host_.condemn("it asks without end");
    }
    if (current_->being_stopped()) {
        return;  // the question breaks
    }
    current_->escalation->cell_continues();
    current_->input_pending = admitted->request;
    set_clock();
    events_.emplace_back(std::move(*admitted));
}

void Session::Impl::on(const HistoryQuestion& question) {
    if (policy().history == "none" || !runs(question.cell) ||
        ++current_->history_questions > kHistoryQuestions) {
        return host_.condemn("a question for the history that may not be asked");
    }
    HistoryAnswer answer = history_ ? history_(question) : HistoryAnswer{"[]", "nothing keeps it here"};
    host_.send(encode_history_reply(question.request, std::move(answer)));
}

void Session::Impl::on(const InstallRequest& request) {
    if (current_ && current_->was_interrupted) {
        installer_.cancel();  // what crossed the interrupt is waited for no more
    }
    if (!runs(request.cell) || installer_.busy() || ++current_->installs > kInstalls) {
        return host_.condemn("packages that may not be asked for");
    }
    if (current_->being_stopped()) {
        return;  // the request breaks
    }
    current_->escalation->cell_continues();
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
    auto begun = output_filter_.begin(finished.cell, finished.user_expressions, finished.payload);
    add(std::move(begun.events));
    if (!begun.task) {
        return cell_finished(std::move(finished));
    }
    clean(std::move(*begun.task), [this, finished = std::move(finished)](Result<Cleaned> cleaned) mutable {
        add(output_filter_.finish(finished.cell, finished.user_expressions, finished.payload,
                                  std::move(cleaned)));
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
        end_cell(*std::exchange(current_->end, std::nullopt));
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
        const bool stopped = current_->escalation->cause() == EscalationCause::user;
        outcome.status = stopped ? CellStatus::interrupted : CellStatus::error;
        outcome.error = OutputFilter::bound(std::move(*finished.error));
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
        return on_debug(std::move(message));
    }
    CleaningTask task;
    task.kind = CleaningTask::Kind::debug;
    task.parts.push_back({"content", std::move(*content)});
    clean(std::move(task), [this, message = std::move(message)](Result<Cleaned> cleaned) mutable {
        RawJson* inert = cleaned ? only_json(*cleaned) : nullptr;
        if (auto* answer = std::get_if<DebugAnswer>(&message)) {
            answer->content = inert != nullptr ? std::move(*inert) : RawJson{R"({"success":false})"};
            on_debug(std::move(message));
        } else if (auto* news = std::get_if<DebugNews>(&message); news != nullptr && inert != nullptr) {
            news->content = std::move(*inert);
            on_debug(std::move(message));
        }
    });
}

void Session::Impl::on_debug(DebugMessage message) {
    const auto taken = std::visit(
        [this](auto& one) {
            if constexpr (requires { debug_.take(std::move(one), now_()); }) {
                return debug_.take(std::move(one), now_());
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

void Session::Impl::on(FileMessage message) {
    if (const auto taken = files_.take(std::move(message), now_()); !taken) {
        host_.condemn(taken.error().message);
    }
}

void Session::Impl::on(CommandMessage message) {
    if (const auto taken = commands_.take(std::move(message), now_()); !taken) {
        host_.condemn(taken.error().message);
    }
}

void Session::Impl::on(const WorkerGone& gone) {
    cleaner_->stop();  // nothing is with it now; the worker's comms are gone
    output_filter_.forget_comms();
    debug_.fail_all("the sandbox's Python has ended, and its debugger with it");
    if (current_ && current_->end) {
        end_cell(*std::exchange(current_->end, std::nullopt));
    }
    if (!current_ || !current_->sent || current_->outcome) {
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
    if (current_->was_killed()) {
        const bool late = current_->escalation->cause() == EscalationCause::deadline;
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
    files_.fail_all("no sandbox can be had: " + unavailable.reason);
    commands_.fail_all("no sandbox can be had: " + unavailable.reason);
    if (current_ && !current_->outcome) {
        refuse(unavailable_error(unavailable.reason), CellStatus::unavailable);
    }
}

// --- while an output is with the cleaner

void Session::Impl::add(std::vector<Event> events) {
    std::move(events.begin(), events.end(), std::back_inserter(events_));
}

void Session::Impl::clean(CleaningTask task, std::function<void(Result<Cleaned>)> then) {
    cleanings_.push_back({std::move(task), std::move(then)});
    if (cleanings_.size() == 1) {
        cleaner_->begin(std::exchange(cleanings_.front().task, {}));
    }
}

// The order in which things came is kept: while a task is with the cleaner, whatever comes waits behind it.
void Session::Impl::handle(HostEvent event) {
    const bool has_order =
        !std::holds_alternative<FileMessage>(event) && !std::holds_alternative<CommandMessage>(event);
    if (!has_order || (cleanings_.empty() && held_.empty())) {
        return take(std::move(event));
    }
    if (const auto* message = std::get_if<WorkerMessage>(&event)) {
        const auto* end = std::get_if<CellFinished>(message);
        if (end != nullptr && runs(end->cell)) {
            current_->over = true;  // no deadline any more; take() judges the rest
        }
    }
    held_.push_back(std::move(event));
}

void Session::Impl::advance_cleaning() {
    while (!cleanings_.empty() || !held_.empty()) {
        if (cleanings_.empty()) {
            HostEvent event = std::move(held_.front());
            held_.pop_front();
            take(std::move(event));
            continue;
        }
        auto cleaned = cleaner_->take();
        if (!cleaned) {
            break;
        }
        if (cleaner_->has_forgotten()) {
            output_filter_.comms_are_lost();
        }
        const auto then = std::move(cleanings_.front().then);
        cleanings_.pop_front();
        if (!cleanings_.empty()) {
            cleaner_->begin(std::exchange(cleanings_.front().task, {}));
        }
        if (*cleaned && !(*cleaned)->malformed.empty()) {
            host_.condemn((*cleaned)->malformed);
            // Whatever came behind it counts no more, the cell's end neither.
            std::erase_if(
                held_, [](const HostEvent& event) { return std::holds_alternative<WorkerMessage>(event); });
            if (current_) {
                current_->over = false;
            }
        } else {
            then(std::move(*cleaned));
        }
    }
    host_.hold(!cleanings_.empty());
}

// A worker's end waits behind outputs of the old one: until that is told, nothing is for the new one.
bool Session::Impl::next_worker_waits() const {
    return std::any_of(held_.begin(), held_.end(), [](const HostEvent& event) {
        return std::holds_alternative<WorkerGone>(event) || std::holds_alternative<Unavailable>(event);
    });
}

void Session::Impl::shutdown() {
    installer_.cancel();
    keeper_.cancel();
    cleanings_.clear();
    held_.clear();
    cleaner_->stop();
    host_.shutdown();
    gateway_.end();
    advance_network();
}

}  // namespace cellblock::sandbox
