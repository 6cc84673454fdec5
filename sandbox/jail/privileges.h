// The last steps of entering a jail: user namespaces, ids, limits, capabilities, the system call filter.
//
// Threads: runs after fork; nothing allocates, locks or throws.
// Failure: the step and errno; the caller must then end.
#pragma once

#include "sandbox/jail/plan.h"
#include "sandbox/jail/report.h"

namespace cellblock::sandbox::jail {

// For an ordinary user's jail: maps the caller's id into the user namespace that was just made.
Failure map_first_user(const Identity& identity);

// In a user namespace that the attendant has mapped.
Failure become_inside_user();

// In this user namespace no other can be made but the one at the end. A second lock beside the filter; where
// the kernel refuses, the filter alone holds.
void limit_user_namespaces();

// Enters a new user namespace, which owns none of the jail's other namespaces.
Failure enter_last_user_namespace(const Identity& identity);

Failure set_limits(const JailPlan& plan);

// Drops all capabilities, and the ways to get one again.
Failure drop_capabilities();

// The same without namespaces: root becomes the jail's user for good; other users have nothing to drop.
Failure become_user_without_namespaces(const Identity& identity);

Failure apply_filter(const JailPlan& plan);

}  // namespace cellblock::sandbox::jail
