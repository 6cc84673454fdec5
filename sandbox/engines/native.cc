// Starting a jail for cells.
#include "sandbox/engines/native.h"

#include "sandbox/daemon/asking.h"
#include "sandbox/engines/native_sandbox.h"
#include "sandbox/jail/layers.h"
#include "sandbox/jail/plan.h"

namespace cellblock::sandbox {

namespace {

PlanMaker maker(const Policy& policy, const StartOptions& options) {
    return [&policy, options](const jail::PythonHome& python, const std::string& worker,
                              bool memory_is_limited) {
        return jail::build_plan(policy, options, python, worker, memory_is_limited);
    };
}

}  // namespace

EngineFacts NativeEngine::facts() const {
    return {"A jail made of the kernel's own parts; no other program is needed",
            "namespaces, seccomp by an allowlist, Landlock, on the host's kernel",
            {"limits.memory", "limits.processes", "limits.disk", "network", "files", "packages.allow"},
            true};
}

Status NativeEngine::check(const Policy& policy) {
    auto python = jail::find_python(policy.python);
    if (!python) {
        return python.error();
    }
    auto cgroup = jail::Cgroup::make(policy.limits);
    auto plan = jail::build_plan(policy, {"/"}, *python, "/", !cgroup.limits_memory().empty());
    cgroup.remove();
    if (!plan) {
        return plan.error();
    }
    auto missing = missing_layer(policy.require, jail::layers_of(**plan, cgroup), policy.name);
    return missing ? Status(*missing) : Status(Ok{});
}

Result<std::unique_ptr<Sandbox>> NativeEngine::start(const Policy& policy, const StartOptions& options) {
    auto coming = begin(policy, options);
    if (!coming) {
        return coming.error();
    }
    return *coming ? arrival_of(**coming) : start_jail(policy, maker(policy, options));
}

Result<std::unique_ptr<Coming>> NativeEngine::begin(const Policy& policy, const StartOptions& options) {
    return daemon::is_wanted(policy) ? claim_jail(policy, maker(policy, options), options)
                                     : std::unique_ptr<Coming>();
}

}  // namespace cellblock::sandbox
