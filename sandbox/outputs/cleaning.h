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

#include "sandbox/outputs/bundle.h"
#include "sandbox/outputs/cleaning_task.h"
#include "sandbox/outputs/comms.h"

namespace cellblock::sandbox {

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
