// Giving up power: user namespaces, ids, capabilities, the filter.
//
// Threads: runs after fork; no allocation, locks or exceptions.
// Failure: the step and errno; the caller then ends.
#pragma once

#include "sandbox/jail/plan.h"
#include "sandbox/jail/report.h"

namespace cellblock::sandbox::jail {

// Without privilege: takes on the caller's id in the user namespace just made.
Failure map_first_user(const Identity& identity);

// Leaves for a user namespace that owns none of the jail's other namespaces.
Failure enter_last_user_namespace(const Identity& identity);

Failure set_limits(const JailPlan& plan);

// No capability left, none to be had again.
Failure drop_capabilities();

// The same where no user namespace gives the power to do it: root becomes the
// jail's user and can't become anything else; others have nothing to drop.
Failure become_contained(const Identity& identity);

Failure apply_filter(const JailPlan& plan);

}  // namespace cellblock::sandbox::jail
