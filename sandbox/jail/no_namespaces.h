// A jail on a host that gives no namespaces: the policy's weakest level.
//
// Purpose: inside an unprivileged container, for example. Cells see the host's paths; Landlock decides which
// of them can be read, and lets them write to one private folder alone. The system call filter leaves no
// sockets, no signals to others and no calls that change what belongs to others. Root's jails run as a user
// that nobody else uses; other users' run as the caller, which needs Landlock's ABI 6. What this level lacks
// is told in jail/README.md. Ownership: the jail's supervisor removes the private folder; the next start
// sweeps one that a crash left. Threads: in the host; none of its own. Failure: an Error that names the
// policy's key that can't be kept.
#pragma once

#include <string>

#include "sandbox/api/engine.h"
#include "sandbox/api/policy.h"
#include "sandbox/api/result.h"
#include "sandbox/jail/plan.h"
#include "sandbox/jail/python_home.h"

namespace cellblock::sandbox::jail {

// Tells whether this host lets us make the namespaces of a full jail. Tried once.
bool namespaces_work();

// Tells whether the policy's `require` allows a jail without them.
bool may_lack_namespaces(const Policy& policy);

// Fills in identity, working directory and Landlock; makes the private folder.
Status plan_without_namespaces(JailPlan& plan, const Policy& policy, const StartOptions& options,
                               const PythonHome& python, const OwnFiles& own);

// The private folder's places instead of those of a jail with a root of its own.
void move_environment(JailPlan& plan);

}  // namespace cellblock::sandbox::jail
