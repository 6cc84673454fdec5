// A jail where the host gives no namespaces: the level `contained`.
//
// Purpose: inside an unprivileged container, for example. The cell sees the
// host's paths; Landlock decides which of them it may read, and that it may
// write in one private folder alone. There are no sockets, no signals and no
// calls that change what belongs to others. Root's jails run as a user that
// nobody uses; others' run as the caller, which needs Landlock's ABI 6.
// What this level lacks is told in jail/README.md.
// Ownership: the private folder is removed by the jail's supervisor; one that a
// crash left is swept by the next start. Threads: in the host.
// Failure: an Error that names the policy's key that can't be had so.
#pragma once

#include <string>

#include "sandbox/api/engine.h"
#include "sandbox/api/policy.h"
#include "sandbox/api/result.h"
#include "sandbox/jail/plan.h"
#include "sandbox/jail/python_home.h"

namespace cellblock::sandbox::jail {

// Whether this host lets us make the namespaces of a full jail. Tried once.
bool namespaces_work();

// Whether the policy's `require` allows a jail without them.
bool may_be_contained(const Policy& policy);

// Fills in identity, working directory and Landlock; makes the private folder.
Status plan_contained(JailPlan& plan, const Policy& policy, const StartOptions& options,
                      const PythonHome& python, const std::string& worker_folder);

// The private folder's places instead of those of a jail with a root of its own.
void move_environment(JailPlan& plan);

}  // namespace cellblock::sandbox::jail
