// The output firewall: what may leave a Session.
//
// Purpose: every event that a sandbox sent passes here after its schema was
// checked. It is counted for the cell that made it; past the policy's bound it
// is cut. Streams, errors, prompts, and displays of plain text and pixels are
// made inert here; whatever must be parsed for that is a task for the cleaner
// (cleaner.h), begun by begin() and ended by finish(). What is cut or left out
// is told once for each cell, with the policy's key.
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

#include "sandbox/api/policy.h"
#include "sandbox/api/types.h"
#include "sandbox/outputs/bundle.h"
#include "sandbox/outputs/cleaning.h"
#include "sandbox/outputs/terminal_text.h"

namespace cellblock::sandbox {

class OutputFirewall {
public:
    explicit OutputFirewall(const Policy& policy);

    // What of an output event may go on: the event itself, a cut one with a
    // note behind it, or nothing.
    std::vector<Event> admit(StreamOutput event);
    std::vector<Event> admit(ClearOutput event);

    // Counts the output. If there is a task, the output's data is in it, and finish() says what may go on.
    struct Begun {
        std::vector<Event> events;
        std::optional<CleaningTask> task;
        std::uint64_t cost = 0;
    };
    Begun begin(DisplayOutput& event);
    Begun begin(CommOutput& event);
    std::vector<Event> finish(DisplayOutput event, std::uint64_t cost, Result<Cleaned> cleaned);
    std::vector<Event> finish(CommOutput event, std::uint64_t cost, Result<Cleaned> cleaned);
    // The same for a cell's end, for what it brings beside an error.
    Begun begin(CellId cell, RawJson& user_expressions, RawJson& payload);
    std::vector<Event> finish(CellId cell, RawJson& user_expressions, RawJson& payload,
                              Result<Cleaned> cleaned);

    // The cleaner has ended, and with it what it knew of open comms. The next cell that shows something says
    // so.
    void comms_are_lost();
    // A client opened one.
    void comm_is_open() { comms_are_open_ = true; }
    // As the worker's comms end with it.
    void forget_comms();

    // Counts an error of a cell that runs. Nothing: it may pass. Else what is to be shown instead.
    std::optional<std::vector<Event>> charge(const ErrorOutput& error);
    // An error within its own bounds: a cell's last one is shown whatever the cell has used up.
    static ErrorText bound(ErrorText error);
    // A prompt is one line that a front end shows; nothing if its cell has no budget left.
    std::optional<InputRequest> admit(InputRequest request);

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
        int failures = 0;  // outputs that couldn't be made inert
    };

    Account& account(CellId cell);
    // Takes the cost from the cell's budget. False: there is too little left;
    // the budget is then spent, and `notes` has the note if it is the first time.
    bool spend(CellId cell, std::uint64_t cost, std::vector<Event>& notes);
    // "cellblock: <what>" on stderr, if this cell wasn't told yet.
    void note_once(CellId cell, const std::string& what, std::vector<Event>& events);
    void note_failure(CellId cell, const Error& error, std::vector<Event>& events);
    void note_lost_comms(CellId cell, std::vector<Event>& events);
    [[nodiscard]] bool has_failed_often(CellId cell);

    std::uint64_t limit_;
    std::string policy_name_;
    BundleRules bundles_;
    bool comms_are_open_ = false;
    bool comms_are_lost_ = false;  // and nobody was told yet
    std::string note_;
    std::string end_note_;
    std::map<CellId, Account> accounts_;  // the newest kAccounts cells
    Account old_;                         // of all others together
    std::optional<CellId> newest_old_;
};

}  // namespace cellblock::sandbox
