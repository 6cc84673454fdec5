// Requests, replies and events of the Debug Adapter Protocol.
#include "sandbox/debug_relay.h"

#include <algorithm>
#include <string_view>

#include "sandbox/channel/json_text.h"

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

bool succeeded(const RawJson& content) {
    const auto parsed = parse_json_object(content.text, kDepth * 2);
    return parsed && parsed->value("success", json(false)) == true;
}

}  // namespace

bool RateBound::spend(TimePoint now) {
    const double passed = std::chrono::duration<double>(now - last_).count();
    left_ = std::min(burst_, left_ + (passed * per_second_));
    last_ = now;
    if (left_ < 1) {
        return false;
    }
    left_ -= 1;
    return true;
}

void DebugRelay::refuse(DebugId id, const Pending& request, const std::string& reason) {
    const json reply{{"status", "error"},     {"type", "response"},         {"request_seq", request.seq},
                     {"success", false},      {"command", request.command}, {"message", reason},
                     {"body", json::object()}};
    events_.emplace_back(DebugReply{id, RawJson{reply.dump(-1, ' ', false, json::error_handler_t::replace)}});
}

std::optional<std::string> DebugRelay::begin(DebugId id, const std::string& request, TimePoint now) {
    Pending pending{0, {}, now + kTime};
    const auto parsed = request.size() <= kRequestBytes ? parse_json_object(request, kDepth)
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
        refuse(
            id, pending,
            "there is no debugger here: the sandbox's Python has no debugpy, or its level allows no sockets");
    } else if (pending_.size() >= kMostPending) {
        refuse(id, pending, "too many requests wait for the debugger; ask again later");
    } else {
        stopped_ = stopped_ && !resumes(pending.command);
        attached_ = attached_ && !detaches(pending.command);
        pending_.emplace(id, std::move(pending));
        return encode_debug_request(id, request);
    }
    return std::nullopt;
}

// --- from the worker

Status DebugRelay::take(const DebuggerFound& found) {
    available_ = found.available;
    return Ok{};
}

Status DebugRelay::take(const DebuggerGone& /*gone*/) {
    available_ = false;
    fail_all("the sandbox's Python has closed its debugger; restart the kernel to debug again");
    return Ok{};
}

Status DebugRelay::take(const DebugAnswer& answer, TimePoint /*now*/) {
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
    pending_.erase(found);
    events_.emplace_back(DebugReply{answer.request, firewall_.admit_debug(answer.content)});
    return Ok{};
}

Status DebugRelay::take(const DebugNews& news, TimePoint now) {
    const auto parsed = parse_json_object(news.content.text, kDepth);
    if (!parsed || news.content.text.size() > kEventBytes || name_in(*parsed, "type") != "event") {
        return Error{"debug", 0, "a debugger's event that is none", {}};
    }
    const std::string event = name_in(*parsed, "event");
    if (one_of(event, {"stopped", "continued", "exited", "terminated"})) {
        if (!states_.spend(now)) {
            return Error{"debug", 0, "a flood of a debugger's events", {}};
        }
        stopped_ = attached_ && event == "stopped";
    } else if (!others_.spend(now)) {
        return Ok{};  // a cell may make threads by the thousand
    }
    events_.emplace_back(DebugEvent{firewall_.admit_debug(news.content)});
    return Ok{};
}

// --- ends

void DebugRelay::fail_all(const std::string& reason) {
    for (const auto& [id, request] : pending_) {
        refuse(id, request, reason);
    }
    if (attached_) {
        events_.emplace_back(
            DebugEvent{RawJson{R"({"type":"event","event":"terminated","seq":0,"body":{}})"}});
    }
    pending_.clear();
    too_late_.clear();
    attached_ = false;
    stopped_ = false;
}

void DebugRelay::step(TimePoint now) {
    while (!pending_.empty() && pending_.begin()->second.until <= now) {
        refuse(pending_.begin()->first, pending_.begin()->second,
               "the debugger gave no answer within " + format_duration(kTime));
        too_late_.insert(pending_.begin()->first);
        pending_.erase(pending_.begin());
    }
}

std::optional<TimePoint> DebugRelay::next() const {
    return pending_.empty() ? std::nullopt : std::optional(pending_.begin()->second.until);
}

}  // namespace cellblock::sandbox
