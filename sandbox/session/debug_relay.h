// Debug requests on their way to a worker's debugger, and what comes back.
//
// Purpose: the debugger's side of a Session. Each request gets one reply, within
// a time, whatever the worker does; replies come only to what was asked; events
// are bounded in their rate; both are made inert. Knows whether a cell is stopped
// at a breakpoint: only while a client has attached may the worker say so. What
// evaluates the user's code between cells climbs the deadline's ladder, as a query.
// Ownership: refers to the firewall and to the queue that events go to; both
// outlive it. Threads: one. Failure: an Error is a violation by the worker.
#pragma once

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>

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

    // The frame for the worker; nothing if the request is refused, which is its reply then.
    // `idle`: there is no cell.
    std::optional<std::string> begin(DebugId id, const std::string& request, bool idle, TimePoint now);

    Status take(const DebuggerFound& found);
    Status take(const DebuggerGone& gone);
    // Content that was made inert already.
    Status take(const DebugAnswer& answer, TimePoint now);
    Status take(const DebugNews& news, TimePoint now);
    // Was begun, and can't be sent.
    void fail(DebugId id, const std::string& reason);
    // The worker is gone, or never came: all that was asked gets this as its answer.
    void fail_all(const std::string& reason);
    // Answers what has waited too long, and says how to push the worker.
    Push step(TimePoint now);
    // The user asks to stop what is evaluated between cells.
    Push user_interrupt(TimePoint now);
    [[nodiscard]] std::optional<TimePoint> next() const;

    // A cell, or a thread of one, is stopped at a breakpoint.
    [[nodiscard]] bool stopped() const { return stopped_; }
    // The client has let the cell go on, and the event that tells so hasn't come.
    [[nodiscard]] bool resuming() const { return resuming_; }
    // The user's code is evaluated between cells: no cell may begin.
    [[nodiscard]] bool inspecting() const { return ladder_.has_value(); }
    [[nodiscard]] bool offered() const { return offered_; }
    // Nothing: the worker hasn't said yet.
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
        bool inspection = false;  // bounded by the ladder
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
    std::string missing_;  // why it isn't, for people
    std::string python_;
    std::map<DebugId, Pending> pending_;
    std::optional<DeadlineLadder> ladder_;  // of the first inspection that is pending
    std::set<DebugId> too_late_;            // were answered with an error; the worker may answer yet
    RateBound states_{200, 100};            // stopped, continued
    RateBound others_{500, 200};
    bool attached_ = false;
    bool stopped_ = false;
    bool resuming_ = false;
};

}  // namespace cellblock::sandbox
