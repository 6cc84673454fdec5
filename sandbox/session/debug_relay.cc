// Requests, replies and events of the Debug Adapter Protocol.
#include "sandbox/session/debug_relay.h"

#include <algorithm>
#include <string_view>

#include "sandbox/base/json_text.h"

namespace cellblock::sandbox {

using nlohmann::json;

namespace {

constexpr std::size_t kDepth = 64;
constexpr std::size_t kNameBytes = 100;
constexpr std::size_t kEventBytes = 1U << 20;

bool one_of(std::string_view name, std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

// After these the cell runs on.
bool resumes(std::string_view command) {
    return one_of(command, {"continue", "next", "stepIn", "stepOut", "stepBack", "reverseContinue", "goto",
                            "restartFrame", "disconnect", "terminate"});
}

bool detaches(std::string_view command) {
    return command == "disconnect" || command == "terminate";
}

std::string name_in(const json& message, const char* key) {
    const auto found = message.find(key);
    return found != message.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// Does it evaluate the user's code (reprs, properties, expressions) outside of a stopped cell's frames?
bool inspects(const json& request) {
    const auto arguments = request.find("arguments");
    const bool framed = arguments != request.end() && arguments->is_object() &&
                        !arguments->value("frameId", json()).is_null();
    return !framed && one_of(name_in(request, "command"), {"inspectVariables", "richInspectVariables",
                                                           "variables", "evaluate", "modules"});
}

// JupyterLab looks into a body before it looks at `success`.
json empty_body(std::string_view command) {
    if (command == "inspectVariables" || command == "variables") {
        return {{"variables", json::array()}};
    }
    if (command == "setBreakpoints" || command == "debugInfo") {
        return {{"breakpoints", json::array()}};
    }
    return json::object();
}

bool succeeded(const RawJson& content) {
    const auto parsed = parse_json_object(content.text, {kDepth * 2});
    return parsed && parsed->value("success", json(false)) == true;
}

}  // namespace

void DebugRelay::refuse(DebugId id, const Pending& request, const std::string& reason) {
    const json reply{{"status", "error"},
                     {"type", "response"},
                     {"request_seq", request.seq},
                     {"success", false},
                     {"command", request.command},
                     {"message", reason},
                     {"body", empty_body(request.command)}};
    events_.emplace_back(DebugReply{id, RawJson{reply.dump(-1, ' ', false, json::error_handler_t::replace)}});
}

std::optional<OutgoingFrame> DebugRelay::begin(DebugId id, std::string request, bool idle, TimePoint now) {
    Pending pending{0, {}, now + kTime};
    const auto parsed = request.size() <= kRequestBytes ? parse_json_object(request, {kDepth})
                                                        : Result<json>(Error{"debug_request", 0, "", {}});
    if (parsed) {
        pending.command = name_in(*parsed, "command").substr(0, kNameBytes);
        if (const auto seq = parsed->find("seq"); seq != parsed->end() && seq->is_number_integer()) {
            pending.seq = *seq;
        }
    }
    if (!offered_) {
        refuse(id, pending,
               "there is no debugger here: policy \"" + policy_name_ +
                   "\" doesn't offer one (key debugger; it can't be had together with the key audit)");
    } else if (pending.command.empty()) {
        refuse(id, pending, "a request of at most 4 MiB with a `command` is needed");
    } else if (available_ == false) {
        refuse(id, pending, missing_);
    } else if (pending_.size() >= kMostPending) {
        refuse(id, pending, "too many requests wait for the debugger; ask again later");
    } else {
        resuming_ = resuming_ || (stopped_ && resumes(pending.command));
        stopped_ = stopped_ && !resumes(pending.command);
        attached_ = attached_ && !detaches(pending.command);
        pending.inspection = idle && !stopped_ && inspects(*parsed);
        auto frame = encode_debug_request(id, std::move(request), pending.inspection);
        pending_.emplace(id, std::move(pending));
        next_inspection(now);
        return frame;
    }
    return std::nullopt;
}

// --- from the worker

Status DebugRelay::take(const DebuggerFound& found) {
    available_ = found.available;
    python_ = found.python;
    if (!found.available) {
        missing_ = found.sockets
                       ? "there is no debugger here: the sandbox's Python has no debugpy. Install it "
                         "(pip install debugpy, or Debian's python3-debugpy) and restart the kernel"
                       : "there is no debugger here: this host gives the sandbox no network namespace, "
                         "so it has no sockets for debugpy to listen on (level no-namespaces). `cellblock "
                         "doctor` says how to get namespaces";
        fail_all(missing_);
    }
    return Ok{};
}

Status DebugRelay::take(const DebuggerGone& /*gone*/) {
    available_ = false;
    missing_ = "the sandbox's Python has closed its debugger; restart the kernel to debug again";
    fail_all(missing_);
    return Ok{};
}

Status DebugRelay::take(DebugAnswer answer, TimePoint now) {
    const auto found = pending_.find(answer.request);
    if (found == pending_.end()) {
        if (too_late_.erase(answer.request) > 0) {
            return Ok{};
        }
        return Error{"debug", 0, "a debugger's reply that was never asked for", {}};
    }
    if (found->second.command == "attach") {
        attached_ = succeeded(answer.content);
    }
    const bool stopped =
        found->second.inspection && escalation_ && escalation_->step() != EscalationStep::none;
    if (stopped && !succeeded(answer.content)) {
        refuse(answer.request, found->second, inspection_ended("your variables are intact"));
    } else {
        events_.emplace_back(DebugReply{answer.request, std::move(answer.content)});
    }
    if (found->second.inspection) {
        escalation_.reset();
    }
    pending_.erase(found);
    next_inspection(now);
    return Ok{};
}

Status DebugRelay::take(DebugNews news, TimePoint now) {
    const auto parsed = news.content.text.size() <= kEventBytes
                            ? parse_json_object(news.content.text, {kDepth})
                            : Result<json>(Error{"debug", 0, "an event that is too long", {}});
    if (!parsed || name_in(*parsed, "type") != "event") {
        return Error{"debug", 0, "a debugger's event that is none", {}};
    }
    const std::string event = name_in(*parsed, "event");
    if (one_of(event, {"stopped", "continued", "exited", "terminated"})) {
        if (!states_.spend(now)) {
            return Error{"debug", 0, "a flood of a debugger's events", {}};
        }
        stopped_ = attached_ && event == "stopped";
        resuming_ = false;
        attached_ = attached_ && event != "terminated";
    } else if (!others_.spend(now)) {
        return Ok{};  // a cell may make threads by the thousand
    }
    events_.emplace_back(DebugEvent{std::move(news.content)});
    return Ok{};
}

// --- ends

void DebugRelay::fail(DebugId id, const std::string& reason) {
    if (const auto found = pending_.find(id); found != pending_.end()) {
        refuse(id, found->second, reason);
        if (found->second.inspection) {
            escalation_.reset();
        }
        pending_.erase(found);
    }
}

void DebugRelay::fail_all(const std::string& reason) {
    const bool pushed = escalation_ && escalation_->step() >= EscalationStep::worker_killed;
    for (const auto& [id, request] : pending_) {
        refuse(id, request,
               pushed && request.inspection
                   ? inspection_ended("the session was restarted and variables are lost")
                   : reason);
    }
    escalation_.reset();
    if (attached_) {
        events_.emplace_back(
            DebugEvent{RawJson{R"({"type":"event","event":"terminated","seq":0,"body":{}})"}});
    }
    pending_.clear();
    too_late_.clear();
    attached_ = false;
    stopped_ = false;
    resuming_ = false;
}

EscalationAction DebugRelay::step(TimePoint now) {
    for (auto one = pending_.begin(); one != pending_.end();) {
        const auto& [id, request] = *one;
        if (request.inspection || request.until > now) {
            ++one;
            continue;
        }
        refuse(
            id, request,
            "the debugger gave no answer within " + format_duration(kTime) +
                (stopped_ ? "; an interrupt of the kernel ends the cell and what is evaluated in it" : ""));
        too_late_.insert(id);
        one = pending_.erase(one);
    }
    return escalation_ ? escalation_->advance(now) : EscalationAction::none;
}

std::optional<TimePoint> DebugRelay::next_deadline() const {
    auto next = escalation_ ? escalation_->next_deadline() : std::nullopt;
    for (const auto& [id, request] : pending_) {
        if (!request.inspection && (!next || request.until < *next)) {
            next = request.until;
        }
    }
    return next;
}

// --- what evaluates the user's code between cells

void DebugRelay::next_inspection(TimePoint now) {
    const auto waits = [](const auto& one) { return one.second.inspection; };
    if (!escalation_ && std::any_of(pending_.begin(), pending_.end(), waits)) {
        escalation_.emplace(now, inspection_time_, grace_time_, Warnings::unseen);
    }
}

EscalationAction DebugRelay::user_interrupt(TimePoint now) {
    return escalation_ ? escalation_->user_interrupt(now) : EscalationAction::none;
}

std::string DebugRelay::inspection_ended(const std::string& state) const {
    const bool late = escalation_->cause() == EscalationCause::deadline;
    return (late ? "the inspection was stopped after " + format_duration(inspection_time_)
                 : std::string("the inspection was interrupted")) +
           "; " + state;
}

}  // namespace cellblock::sandbox
