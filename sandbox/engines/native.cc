// Starting a jail for cells.
#include "sandbox/engines/native.h"

#include "sandbox/engines/native_sandbox.h"
#include "sandbox/jail/layers.h"
#include "sandbox/jail/plan.h"

namespace cellblock::sandbox {

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
    const auto plan = [&](const jail::PythonHome& python, const std::string& worker, bool memory_is_limited) {
        return jail::build_plan(policy, options, python, worker, memory_is_limited);
    };
    return start_jail(policy, plan, &options);
}

}  // namespace cellblock::sandbox
