// Starting a jail.
#include "sandbox/engines/native.h"

#include "sandbox/base/resources.h"
#include "sandbox/engines/native_sandbox.h"
#include "sandbox/jail/cgroup.h"
#include "sandbox/jail/layers.h"
#include "sandbox/jail/plan.h"
#include "sandbox/jail/python_home.h"
#include "sandbox/jail/spawn.h"

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
    auto layers = jail::layers_of(**plan, cgroup);
    if (auto missing = missing_layer(policy.require, layers, policy.name)) {
        cgroup.remove();
        return *missing;
    }
    (*plan)->cgroup_procs = cgroup.procs_files();
    (*plan)->cgroup_folders = cgroup.folders();
    auto spawned = jail::spawn_jail(**plan);
    if (!spawned) {
        cgroup.remove();
        return spawned.error();
    }
    return std::unique_ptr<Sandbox>(std::make_unique<NativeSandbox>(std::move(*plan), std::move(cgroup),
                                                                    std::move(*spawned), std::move(layers)));
}

}  // namespace cellblock::sandbox
