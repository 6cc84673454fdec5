// A jail that is a fork of a warm Python, by way of the daemon.
//
// Purpose: takes the place of spawn_jail where it can. Ownership, threads,
// failure: as asking.h. Nothing of what was asked for in vain lives on.
#pragma once

#include <string>

#include "sandbox/api/engine.h"
#include "sandbox/engines/pool_client.h"
#include "sandbox/jail/plan.h"

namespace cellblock::sandbox::pool {

// `plan` has no cgroups and no identity.
Claim claim(const Policy& policy, const StartOptions& options, const jail::JailPlan& plan,
            const jail::PythonHome& python, const std::string& worker_folder);

}  // namespace cellblock::sandbox::pool
