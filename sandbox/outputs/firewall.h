// The output firewall: what may leave a Session.
//
// Purpose: every event that a sandbox sent passes here after its schema was
// checked. It is made inert (bundle, comms, replies, terminal_text), and counted
// for the cell that made it; past the policy's bound it is cut. What is cut or
// left out is told once for each cell, with the policy's key.
// Ownership: plain values. Threads: one. Failure: none; what may not pass is
// dropped or cut.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sandbox/events.h"
#include "sandbox/outputs/bundle.h"
#include "sandbox/outputs/comms.h"
#include "sandbox/outputs/replies.h"
#include "sandbox/outputs/terminal_text.h"
#include "sandbox/policy/policy.h"

namespace cellblock::sandbox {

class OutputFirewall {
public:
    explicit OutputFirewall(const Policy& policy);

    // What of an output event may go on: the event itself, a cut one with a
    // note behind it, or nothing.
    std::vector<Event> admit(StreamOutput event);
    std::vector<Event> admit(DisplayOutput event);
    std::vector<Event> admit(ClearOutput event);
    std::vector<Event> admit(CommOutput event);
    // A client opened a comm.
    void opened_by_client(const std::string& comm_id, const std::string& target) {
        comms_.opened_by_client(comm_id, target);
    }
    // The worker is gone, and its comms with it.
    void forget_comms() { comms_.forget(); }
    // Counts an error of a cell that runs. Nothing: it may pass. Else what is to be shown instead.
    std::optional<std::vector<Event>> charge(const ErrorOutput& error);
    // An error within its own bounds: a cell's last one is shown whatever the cell has used up.
    static ErrorText bound(ErrorText error);
    // A prompt is one line that a front end shows; nothing if its cell has no budget left.
    std::optional<InputRequest> admit(InputRequest request);

    [[nodiscard]] RawJson admit_reply(const RawJson& content) const { return inert_reply(content, bundles_); }
    [[nodiscard]] RawJson admit_debug(const RawJson& content) const {
        return inert_debug_message(content, bundles_);
    }
    [[nodiscard]] RawJson admit_payload(const RawJson& payload) const {
        return inert_payload(payload, bundles_);
    }
    [[nodiscard]] RawJson admit_expressions(const RawJson& expressions) const {
        return inert_expressions(expressions, bundles_);
    }

    [[nodiscard]] bool was_cut(CellId cell) const;
    // At a cell's end: a front end that drops messages of a flood may have dropped the first notice.
    void tell_cut_again(CellId cell, std::deque<Event>& events) const;
    // Bytes counted for a cell so far.
    [[nodiscard]] std::uint64_t output_bytes(CellId cell) const;

private:
    struct Account {
        std::uint64_t bytes = 0;
        bool cut = false;
        TerminalTextFilter output;
        TerminalTextFilter errors;
        std::set<std::string> noted;
    };

    Account& account(CellId cell);
    // Takes the cost from the cell's budget. False: there is too little left;
    // the budget is then spent, and `notes` has the note if it is the first time.
    bool spend(CellId cell, std::uint64_t cost, std::vector<Event>& notes);
    // "cellblock: <what>" on stderr, if this cell wasn't told yet.
    void note_once(CellId cell, const std::string& what, std::vector<Event>& events);

    std::uint64_t limit_;
    std::string policy_name_;
    BundleRules bundles_;
    CommRules comms_;
    std::string note_;
    std::string end_note_;
    std::map<CellId, Account> accounts_;  // the newest kAccounts cells
    Account old_;                         // of all others together
    std::optional<CellId> newest_old_;
};

}  // namespace cellblock::sandbox
