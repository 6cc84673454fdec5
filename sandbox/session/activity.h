// Activity: the cell, comm message or query that a Session works on, from its request to its end.
//
// A Session has one Activity at a time. It waits until a worker is ready, is sent, and ends with the worker's
// answer or by its escalation. The predicates here say what an activity may still do; session.cc and
// session_events.cc move it on. A plain value, for one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "sandbox/api/engine.h"
#include "sandbox/api/session.h"
#include "sandbox/channel/messages.h"
#include "sandbox/session/escalation.h"

namespace cellblock::sandbox {

enum class ActivityKind { cell, comm, query };

struct Activity {
    ActivityKind kind = ActivityKind::cell;
    std::uint64_t id = 0;  // a CellId; of a query its QueryId
    OutgoingFrame frame;   // what the worker is asked, until it is sent
    std::chrono::milliseconds time{};
    bool silent = false;
    bool allow_stdin = false;
    bool show_usage = false;
    std::string code_digest;  // of a cell that is audited
    std::size_t code_bytes = 0;

    TimePoint begun_at;
    bool noticed = false;  // the user was told that the cell waits for a sandbox
    bool sent = false;
    TimePoint sent_at;
    std::optional<Escalation> escalation;  // once sent
    SandboxUsage used_before;
    bool was_interrupted = false;  // by the user
    std::optional<std::uint64_t> input_pending;
    int history_questions = 0;
    int installs = 0;
    std::uint64_t install_pending = 0;  // the request's number, while the installer is busy
    // The worker has sent its end, which may still wait for outputs that are with the cleaner.
    bool over = false;
    // The end, held back until the debugger has told that the cell went on: front ends clear what they show
    // then.
    std::optional<CellFinished> end;
    TimePoint end_held_until;
    std::optional<ErrorText> shown;  // the last error that the user saw
    std::optional<ErrorText>
        withheld;  // the last error over the output limit; shown if the cell ends with it

    std::optional<Result<UniqueFd>> changes;  // of a cell, as Sandbox::changes() gives it
    std::optional<Outcome> outcome;           // of a cell that has ended and whose files are being kept

    // Tells whether the worker runs this cell now: only then may it ask for something, fail or end.
    [[nodiscard]] bool runs(CellId cell) const {
        return kind != ActivityKind::query && id == cell && sent && !outcome;
    }
    [[nodiscard]] bool shows_output() const { return kind != ActivityKind::query && !silent; }
    [[nodiscard]] bool overdue() const {
        return escalation && escalation->cause() == EscalationCause::deadline;
    }
    // Tells whether more than a user's interrupt has happened: requests are no longer answered.
    [[nodiscard]] bool being_stopped() const {
        return overdue() || (escalation && escalation->step() > EscalationStep::interrupt);
    }
    [[nodiscard]] bool was_killed() const {
        return escalation && escalation->step() >= EscalationStep::worker_killed;
    }
};

}  // namespace cellblock::sandbox
