// A sandbox from a warm Python, by way of the daemon.
//
// Purpose: takes the place of spawn_jail where it can. Where there is no daemon,
// one is started for the next time.
// Ownership: as spawn.h; the supervisor is nobody's child here, and its pidfd
// tells its end. Threads: other threads may run meanwhile.
// Failure: why it has to be a cold start, or why there may be none at all.
// Nothing of what was asked for then lives on.
#pragma once

#include <string>
#include <variant>

#include "sandbox/base/result.h"
#include "sandbox/channel/worker_sockets.h"
#include "sandbox/daemon/request.h"
#include "sandbox/engine.h"
#include "sandbox/jail/cgroup.h"
#include "sandbox/jail/plan.h"
#include "sandbox/jail/spawn.h"

namespace cellblock::sandbox::daemon {

// Whether the policy, or else $CELLBLOCK_DAEMON (1 or 0), wants one.
bool is_wanted(const Policy& policy);

struct WarmSandbox {
    jail::SpawnedJail jail;
    jail::Cgroup cgroup;
    WorkerSockets worker;  // of a worker that is up, or will be
};
struct ColdStart {
    std::string reason;
};
struct NoneMore {
    Error error;
};
using Claimed = std::variant<WarmSandbox, ColdStart, NoneMore>;

// `plan` has no cgroups and no identity. Waits for as long as the policy's limits.start_time,
// and 10 s at most.
Claimed claim(const Policy& policy, const StartOptions& options, const jail::JailPlan& plan,
              const jail::PythonHome& python, const std::string& worker_folder);

}  // namespace cellblock::sandbox::daemon
