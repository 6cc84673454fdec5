// CleaningRules: makes everything harmless that has to be parsed to be judged.
//
// Markup, styles, JSON and the states of widgets go through clean() as tasks, one after another:
//
//     CleaningRules rules(policy.outputs);
//     Cleaned cleaned = rules.clean({CleaningTask::Kind::display, {}, {}, parts});
//
// In a Session this runs in a process of its own (cleaner.h). CleaningRules remembers which comms are open.
// For one thread. What can't be judged is left out; Cleaned::malformed says that a task had no JSON where
// JSON must be, which is the sender's fault.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/outputs/bundle.h"
#include "sandbox/outputs/comms.h"

namespace cellblock::sandbox {

struct CleaningTask {
    enum class Kind {
        display,       // parts: a bundle, and its metadata as the last one
        comm_open,     // name, target; parts: data, metadata
        comm_message,  // name; parts: data, metadata
        comm_close,    // as comm_message
        client_comm,   // name, target: a client opened it. No parts
        reply,         // parts: the content of a query's reply
        debug,         // parts: a message of the Debug Adapter Protocol
        end,           // parts: a cell's user_expressions and payload
    };
    Kind kind = Kind::display;
    std::string name;
    std::string target;
    std::vector<MimeItem> parts;

    [[nodiscard]] std::size_t bytes() const;
};

struct Cleaned {
    std::vector<MimeItem> parts;         // as the task's; of a bundle those that may be shown
    std::vector<LeftOut> left_out;       // of a bundle
    std::optional<std::string> refusal;  // of a comm's message, as CommRules::refuse()
    std::string malformed;               // not empty: what was wrong; nothing else is set then
};

class CleaningRules {
public:
    explicit CleaningRules(const OutputRules& rules) : bundles_(rules), comms_(rules) {}

    Cleaned clean(CleaningTask task);

private:
    Cleaned clean_display(CleaningTask task) const;
    Cleaned clean_comm(CleaningTask task);

    BundleRules bundles_;
    CommRules comms_;
};

}  // namespace cellblock::sandbox
