// Another engine's sandbox that was made ahead, by way of the daemon.
//
// Purpose: takes the place of relay::launch where it can. Ownership, threads,
// failure: as asking.h.
#pragma once

#include <string>
#include <vector>

#include "sandbox/api/engine.h"
#include "sandbox/engines/pool_client.h"
#include "sandbox/engines/template.h"
#include "sandbox/pool/launch_order.h"
#include "sandbox/relay/launch.h"

namespace cellblock::sandbox::pool {

struct MadeSandbox {
    relay::RelayProcess relay;
    relay::Spec spec;  // of what is to be cleared away, should the relay be killed
    jail::Cgroup cgroup;
    WorkerSockets worker;
};

// Whether one will do that is still to be made.
enum class Wanted { any, ready };

Claim claim_made(const Policy& policy, const StartOptions& options, const EngineTemplate& from,
                 Wanted wanted);
Result<MadeSandbox> made_of(GivenSandbox given);

// Without what only tells one session of a user from another (JPY_…, SSH_TTY), unless the policy passes it
// on.
std::vector<std::string> environment_for(const Policy& policy, char* const* all);

}  // namespace cellblock::sandbox::pool
