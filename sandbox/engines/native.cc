// Starting a jail for cells.
#include "sandbox/engines/native.h"

#include "sandbox/engines/claimed_start.h"
#include "sandbox/engines/native_claim.h"
#include "sandbox/engines/pool_client.h"
#include "sandbox/jail/jail_sandbox.h"
#include "sandbox/jail/layers.h"
#include "sandbox/jail/plan.h"

namespace cellblock::sandbox {

namespace {

jail::PlanMaker maker(const Policy& policy, const StartOptions& options) {
    return [&policy, options](const jail::PythonHome& python, const std::string& worker,
                              bool memory_is_limited) {
        return jail::build_plan(policy, options, python, worker, memory_is_limited);
    };
}

// A jail that was claimed. The daemon's sandboxes have cgroups of their own, made where ours would be.
class Claimed : public ClaimedStart {
public:
    Claimed(const Policy& policy, jail::PlanMaker make_plan, std::unique_ptr<jail::JailPlan> plan,
            bool memory_is_limited, pool::Claim claim)
        : ClaimedStart(std::move(claim)),
          policy_(policy),
          make_plan_(std::move(make_plan)),
          plan_(std::move(plan)),
          memory_is_limited_(memory_is_limited) {}

protected:
    Result<std::unique_ptr<Sandbox>> start_cold() override { return jail::start_jail(policy_, make_plan_); }

    Result<std::unique_ptr<Sandbox>> use(pool::GivenSandbox given) override {
        if (given.cgroup.limits_memory().empty() == memory_is_limited_) {
            return go_cold("the daemon has other control groups than were expected");
        }
        auto missing = missing_layer(policy_.require, jail::layers_of(*plan_, given.cgroup), policy_.name);
        jail::SpawnedJail spawned{given.supervisor, std::move(given.process), std::move(given.control),
                                  std::move(given.warden)};
        auto sandbox = jail::adopt_jail(std::move(plan_), std::move(given.cgroup), std::move(spawned),
                                        std::move(given.worker));
        return missing ? Result<std::unique_ptr<Sandbox>>(std::move(*missing))
                       : Result<std::unique_ptr<Sandbox>>(std::move(sandbox));
    }

private:
    const Policy& policy_;
    jail::PlanMaker make_plan_;
    std::unique_ptr<jail::JailPlan> plan_;
    bool memory_is_limited_;
};

Result<std::unique_ptr<Coming>> claim_jail(const Policy& policy, jail::PlanMaker make_plan,
                                           const StartOptions& options) {
    auto parts = jail::find_host_parts(policy);
    if (!parts) {
        return parts.error();
    }
    const bool memory_is_limited = jail::Cgroup::would_limit_memory();
    auto plan = make_plan(parts->python, parts->worker, memory_is_limited);
    if (!plan) {
        return plan.error();
    }
    jail::forget_identity(**plan);
    auto claim = pool::claim(policy, options, **plan, parts->python, parts->worker);
    return std::unique_ptr<Coming>(std::make_unique<Claimed>(policy, std::move(make_plan), std::move(*plan),
                                                             memory_is_limited, std::move(claim)));
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
    return *coming ? arrival_of(**coming) : jail::start_jail(policy, maker(policy, options));
}

Result<std::unique_ptr<Coming>> NativeEngine::begin(const Policy& policy, const StartOptions& options) {
    return pool::is_wanted(policy) ? claim_jail(policy, maker(policy, options), options)
                                   : std::unique_ptr<Coming>();
}

}  // namespace cellblock::sandbox
