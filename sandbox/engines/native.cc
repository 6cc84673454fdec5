// Starting a jail.
#include "sandbox/engines/native.h"

#include <optional>

#include "sandbox/base/resources.h"
#include "sandbox/daemon/client.h"
#include "sandbox/engines/native_sandbox.h"
#include "sandbox/jail/cgroup.h"
#include "sandbox/jail/plan.h"
#include "sandbox/jail/python_home.h"

namespace cellblock::sandbox {

Result<std::unique_ptr<Sandbox>> NativeEngine::start(const Policy& policy, const StartOptions& options) {
    auto worker = worker_directory();
    if (!worker) {
        return worker.error();
    }
    auto python = jail::find_python(policy.python);
    if (!python) {
        return python.error();
    }
    auto cgroup = jail::Cgroup::make(policy.limits);
    auto plan = jail::build_plan(policy, options, *python, *worker, !cgroup.limits_memory().empty());
    if (!plan) {
        cgroup.remove();
        return plan.error();
    }
    std::optional<Result<daemon::ZygoteSpec>> warm;
    if (daemon::is_wanted(policy)) {
        warm = daemon::spec_for(policy, **plan, *python, *worker);
    }
    return jail_sandbox(policy, std::move(*plan), std::move(cgroup), warm);
}

}  // namespace cellblock::sandbox
