// A jail from a warm Python, by way of the daemon.
//
// Purpose: takes the place of spawn_jail where it can. Where there is no daemon,
// one is started for the next time.
// Ownership: as spawn.h; the supervisor is nobody's child here, and its pidfd
// tells its end. Threads: other threads may run meanwhile.
// Failure: an Error that says why it has to be a cold start. Nothing of what was
// asked for then lives on; but the plan's cgroups must not be used again.
#pragma once

#include "sandbox/base/result.h"
#include "sandbox/daemon/request.h"
#include "sandbox/jail/plan.h"
#include "sandbox/jail/spawn.h"

namespace cellblock::sandbox::daemon {

// Whether the policy, or else $CELLBLOCK_DAEMON (1 or 0), wants one.
bool is_wanted(const Policy& policy);

Result<ZygoteSpec> spec_for(const Policy& policy, const jail::JailPlan& plan, const jail::PythonHome& python,
                            const std::string& worker_folder);

Result<jail::SpawnedJail> claim_jail(const jail::JailPlan& plan, const ZygoteSpec& spec);

}  // namespace cellblock::sandbox::daemon
