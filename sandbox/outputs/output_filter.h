// OutputFilter: bounds what a cell shows, and makes it harmless.
//
// Every output that a sandbox sent passes here after its frame was checked. The output is counted for its
// cell, errors too; past Limits::output_bytes it is cut. Streams, errors, prompts, and displays of plain text
// and pixels are made harmless here. Whatever must be parsed for that is a task for the cleaner (cleaner.h):
//
//     auto begun = filter.begin(display);           // begun.events may be shown already
//     if (begun.task) {
//         ... the cleaner does the task ...
//         auto events = filter.finish(std::move(display), begun.cost, std::move(cleaned));
//     }
//
// A note on the cell's stderr tells what is left out and which key of the policy would allow it: each
// different note once, at most eight; a cut is told at once and at the cell's end. For one thread. Nothing
// fails here: what may not pass is dropped or cut.
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
#include "sandbox/outputs/cleaning_task.h"
#include "sandbox/outputs/plain_items.h"
#include "sandbox/outputs/terminal_text.h"

namespace cellblock::sandbox {

class OutputFilter {
public:
    explicit OutputFilter(const Policy& policy);

    // The part of an output that may be shown: the event itself, a cut one with a note behind it, the note
    // alone, or nothing.
    std::vector<Event> admit(StreamOutput event);
    std::vector<Event> admit(ClearOutput event);

    // Counts the output, and moves its data out of `event`. With a task (there is one too for any metadata)
    // only plain text stays in `event`, for the case that the cleaner fails, and finish() gives what may be
    // shown; without, `events` is all. `cost` is for finish().
    struct Begun {
        std::vector<Event> events;
        std::optional<CleaningTask> task;
        std::uint64_t cost = 0;
    };
    Begun begin(DisplayOutput& event);
    Begun begin(CommOutput& event);
    std::vector<Event> finish(DisplayOutput event, std::uint64_t cost, Result<Cleaned> cleaned);
    std::vector<Event> finish(CommOutput event, std::uint64_t cost, Result<Cleaned> cleaned);
    // The same for what a cell's end brings beside an error.
    Begun begin(CellId cell, RawJson& user_expressions, RawJson& payload);
    std::vector<Event> finish(CellId cell, RawJson& user_expressions, RawJson& payload,
                              Result<Cleaned> cleaned);

    // The cleaner has ended and has forgotten which comms are open. The next cell that shows something tells
    // it.
    void comms_are_lost();
    // A client has opened a comm.
    void comm_is_open() { comms_are_open_ = true; }
    // The worker has ended, and its comms with it.
    void forget_comms();

    // Counts an error of a cell that runs. nullopt: the error may be shown; otherwise the events to show
    // instead.
    std::optional<std::vector<Event>> charge(const ErrorOutput& error);
    // The error within bounds of its own: a cell's last error is shown even if its output was cut.
    static ErrorText bound(ErrorText error);
    // The prompt as one line of harmless text; nullopt if the cell has no output left.
    std::optional<InputRequest> admit(InputRequest request);

    [[nodiscard]] bool was_cut(CellId cell) const;
    // At a cell's end, tells a cut once more: a front end that drops messages of a flood may have dropped the
    // notice.
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
        int failures = 0;  // outputs that couldn't be made harmless
    };

    Account& account(CellId cell);
    // Takes the cost from what the cell may still show. False: too little is left, so the cell shows nothing
    // more, and `notes` gets the note if this is the first time.
    bool spend(CellId cell, std::uint64_t cost, std::vector<Event>& notes);
    // Adds "cellblock: <what>" on stderr, once for each cell.
    void note_once(CellId cell, const std::string& what, std::vector<Event>& events);
    void note_failure(CellId cell, const Error& error, std::vector<Event>& events);
    void note_lost_comms(CellId cell, std::vector<Event>& events);
    [[nodiscard]] bool has_failed_often(CellId cell);

    std::uint64_t limit_;
    std::string policy_name_;
    PlainRules plain_;
    bool comms_are_open_ = false;
    bool comms_are_lost_ = false;  // the notice of it is still to come
    std::string note_;
    std::string end_note_;
    std::map<CellId, Account> accounts_;  // the newest kAccounts cells
    Account old_;                         // of all older cells together
    std::optional<CellId> newest_old_;
};

}  // namespace cellblock::sandbox
