// The output firewall: what may leave a Session.
//
// Purpose: every event that a sandbox sent passes here after its schema was
// checked. Output is counted for the cell that made it; past the policy's
// bound it is cut, once, with a note that says so and names the key.
// Ownership: plain values. Threads: one. Failure: none; what may not pass is
// dropped or cut.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/events.h"
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
    // Errors always pass, bounded: they are how a cell's end is told.
    static ErrorText bound(ErrorText error);
    // A prompt is one line that a front end shows; nothing if its cell has no budget left.
    std::optional<InputRequest> admit(InputRequest request);

    // Bytes counted for a cell so far.
    [[nodiscard]] std::uint64_t output_bytes(CellId cell) const;

private:
    struct Account {
        std::uint64_t bytes = 0;
        bool cut = false;
    };

    Account& account(CellId cell);
    // Takes the cost from the cell's budget. False: there is too little left;
    // the budget is then spent, and `notes` has the note if it is the first time.
    bool spend(CellId cell, std::uint64_t cost, std::vector<Event>& notes);
    template <class Output>
    std::vector<Event> admit_whole(Output event, std::uint64_t cost);

    std::uint64_t limit_;
    std::string note_;
    std::map<CellId, Account> accounts_;  // the newest kAccounts cells
};

}  // namespace cellblock::sandbox
