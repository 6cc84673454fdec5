// DebugRelay: debug requests on their way to a worker's debugger, and its replies and events on their way
// back.
//
// Each request gets exactly one reply within a time, whatever the worker does. A reply without a request is a
// violation, and so is a flood of events. DebugRelay knows whether a cell is stopped at a breakpoint, which
// the worker may claim only while a client has attached. Requests that evaluate the user's code between cells
// (an inspection of variables) are stopped by an Escalation of their own, as queries are.
//
// Refers to the queue that events go to, which must outlive it. For one thread. The Error of a take() is a
// violation by the worker, for which the caller ends the sandbox.
#pragma once

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "sandbox/api/session.h"
#include "sandbox/base/rate_bound.h"
#include "sandbox/channel/messages.h"
#include "sandbox/session/escalation.h"

namespace cellblock::sandbox {

class DebugRelay {
public:
    static constexpr std::size_t kMostPending = 64;
    static constexpr std::size_t kRequestBytes = 4U << 20;
    static constexpr std::chrono::seconds kTime{30};  // for an answer

    DebugRelay(const Policy& policy, std::deque<Event>& events)
        : offered_(offers_debugger(policy)),
          policy_name_(policy.name),
          inspection_time_(std::min(policy.limits.cell_time, kQueryTime)),
          grace_time_(policy.limits.grace_time),
          events_(events) {}

    // The frame to send to the worker's debugger; nullopt if the request was refused, which is its reply.
    // `idle`: no cell is running.
    std::optional<OutgoingFrame> begin(DebugId id, std::string request, bool idle, TimePoint now);

    Status take(const DebuggerFound& found);
    Status take(const DebuggerGone& gone);
    // Their content must have been made inert.
    Status take(DebugAnswer answer, TimePoint now);
    Status take(DebugNews news, TimePoint now);
    // Answers a request that begin() accepted and that can't be sent.
    void fail(DebugId id, const std::string& reason);
    // Answers every request with this reason: the worker has ended, or never became ready.
    void fail_all(const std::string& reason);
    // Answers requests that have waited too long. Returns what to do to the worker.
    EscalationAction step(TimePoint now);
    // The user asks to stop an inspection.
    EscalationAction user_interrupt(TimePoint now);
    // When step() will have something to do.
    [[nodiscard]] std::optional<TimePoint> next_deadline() const;

    // A cell, or a thread of a cell, is stopped at a breakpoint.
    [[nodiscard]] bool stopped() const { return stopped_; }
    // The client has let the cell go on, and the event that confirms it hasn't come.
    [[nodiscard]] bool resuming() const { return resuming_; }
    // An inspection is going on: no cell may begin.
    [[nodiscard]] bool inspecting() const { return escalation_.has_value(); }
    [[nodiscard]] bool offered() const { return offered_; }
    // nullopt: the worker hasn't said yet.
    [[nodiscard]] std::optional<bool> available() const {
        return offered_ ? available_ : std::optional(false);
    }

    // Of the worker's Python, known before the worker is ready; empty: it hasn't said yet.
    [[nodiscard]] const std::string& python_version() const { return python_; }

private:
    struct Pending {
        nlohmann::json seq;
        std::string command;
        TimePoint until;
        bool inspection = false;  // bounded by the escalation instead of `until`
    };

    void refuse(DebugId id, const Pending& request, const std::string& reason);
    void next_inspection(TimePoint now);
    [[nodiscard]] std::string inspection_ended(const std::string& state) const;

    bool offered_;
    std::string policy_name_;
    std::chrono::milliseconds inspection_time_;
    std::chrono::milliseconds grace_time_;
    std::deque<Event>& events_;
    std::optional<bool> available_;
    std::string missing_;  // why there is no debugger, for people
    std::string python_;
    std::map<DebugId, Pending> pending_;
    std::optional<Escalation> escalation_;  // of the first inspection that is pending
    std::set<DebugId> too_late_;            // answered with an error; the worker may still answer
    RateBound states_{200, 100};            // stopped, continued
    RateBound others_{500, 200};
    bool attached_ = false;
    bool stopped_ = false;
    bool resuming_ = false;
};

}  // namespace cellblock::sandbox
