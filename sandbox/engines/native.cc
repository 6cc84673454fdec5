// Starts jails, or claims them of the daemon.
#include "sandbox/engines/native.h"

#include "sandbox/base/digests.h"
#include "sandbox/base/resources.h"
#include "sandbox/engines/pool_client.h"
#include "sandbox/jail/file_rules.h"
#include "sandbox/jail/jail_sandbox.h"
#include "sandbox/jail/layers.h"
#include "sandbox/jail/plan.h"
#include "sandbox/jail/plan_bytes.h"

namespace cellblock::sandbox {

namespace {

jail::PlanMaker maker(const Policy& policy, const StartOptions& options) {
    return [&policy, options](const jail::PythonHome& python, const jail::OwnFiles& own,
                              bool memory_is_limited) {
        return jail::build_plan(policy, options, python, own, memory_is_limited);
    };
}

Result<pool::ZygoteSpec> spec_for(const Policy& policy, const jail::JailPlan& plan,
                                  const jail::PythonHome& python, const std::string& worker_folder) {
    if (plan.without_namespaces) {
        return Error{"start warm", 0, "without namespaces each sandbox starts cold", {}};
    }
    CELLBLOCK_ASSIGN_OR_RETURN(auto library, jail_library());
    // Cells that may import only what the policy names find nothing else in memory.
    const bool learns = policy.learns_preload && !policy.imports;
    return pool::ZygoteSpec{python.program, python.prefixes,  policy.preload, worker_folder,
                            library,        plan.environment, learns};
}

// `plan` has neither cgroups nor an identity.
pool::Claim send_claim(const Policy& policy, const StartOptions& options, const jail::JailPlan& plan,
                       const jail::PythonHome& python, const std::string& worker_folder) {
    auto spec = spec_for(policy, plan, python, worker_folder);
    if (!spec) {
        return pool::Claim(spec.error());
    }
    // With packages it shows a folder that no other session has.
    pool::Request request{pool::Verb::claim_fork, std::move(*spec),
                          pool::recipe_for(policy, options.packages.empty())};
    request.recipe.memory_bytes = policy.limits.memory_bytes;
    request.recipe.processes = policy.limits.processes;
    request.recipe.cpus = policy.limits.cpus;
    request.recipe.sources = sha256(jail::sources_of(plan.files));
    return pool::Claim(policy, request, jail::plan_to_bytes(plan));
}

// A jail that was claimed: a fork of a warm Python. The daemon's sandboxes have cgroups of their own, made
// where ours would be.
class ClaimedJail : public ClaimedSandbox {
public:
    ClaimedJail(const Policy& policy, jail::PlanMaker make_plan, std::unique_ptr<jail::JailPlan> plan,
                bool memory_is_limited, pool::Claim claim)
        : ClaimedSandbox(std::move(claim), pool::wish_of(policy, true).in_silence),
          policy_(policy),
          make_plan_(std::move(make_plan)),
          plan_(std::move(plan)),
          memory_is_limited_(memory_is_limited) {}

protected:
    Result<std::unique_ptr<Sandbox>> start_cold() override { return jail::start_jail(policy_, make_plan_); }

    Result<std::unique_ptr<Sandbox>> adopt(pool::GivenSandbox given) override {
        if (given.cgroup.limits_memory().empty() == memory_is_limited_) {
            return start_cold_because("the daemon has other control groups than were expected");
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

Result<std::unique_ptr<PendingSandbox>> claim_jail(const Policy& policy, jail::PlanMaker make_plan,
                                                   const StartOptions& options) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto parts, jail::find_host_parts(policy));
    const bool memory_is_limited = jail::Cgroup::would_limit_memory() || pool::daemon_has_scope();
    CELLBLOCK_ASSIGN_OR_RETURN(auto plan, make_plan(parts.python, parts.own, memory_is_limited));
    jail::forget_identity(*plan);
    auto claim = send_claim(policy, options, *plan, parts.python, parts.own.python);
    return std::unique_ptr<PendingSandbox>(std::make_unique<ClaimedJail>(
        policy, std::move(make_plan), std::move(plan), memory_is_limited, std::move(claim)));
}

}  // namespace

EngineFacts NativeEngine::facts() const {
    return {"A jail made of the kernel's own parts; no other program is needed",
            "namespaces, seccomp by an allowlist, Landlock, on the host's kernel",
            {"limits.memory", "limits.processes", "limits.disk", "network", "network.allow", "files",
             "files.keep", "packages.allow"},
            true};
}

Status NativeEngine::check(const Policy& policy) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto python, jail::find_python(policy.python));
    auto cgroup = jail::Cgroup::make(policy.limits);
    auto plan = jail::build_plan(policy, {"/"}, python, {"/", "/"}, !cgroup.limits_memory().empty());
    cgroup.remove();
    if (!plan) {
        return plan.error();
    }
    auto missing = missing_layer(policy.require, jail::layers_of(**plan, cgroup), policy.name);
    return missing ? Status(*missing) : Status(Ok{});
}

Result<std::unique_ptr<Sandbox>> NativeEngine::start(const Policy& policy, const StartOptions& options) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto pending, begin(policy, options));
    return pending ? wait_for(*pending) : jail::start_jail(policy, maker(policy, options));
}

Result<std::unique_ptr<PendingSandbox>> NativeEngine::begin(const Policy& policy,
                                                            const StartOptions& options) {
    return pool::wish_of(policy, true).wanted ? claim_jail(policy, maker(policy, options), options)
                                              : std::unique_ptr<PendingSandbox>();
}

NativeEngine::~NativeEngine() {
    tell_imports();
}

void NativeEngine::note_imports(const Policy& policy, const std::vector<std::string>& names) {
    if (!policy.learns_preload || policy.imports || !pool::wish_of(policy, true).wanted) {
        return;
    }
    if (python_.empty()) {
        if (auto python = jail::find_python(policy.python)) {
            python_ = python->program;
        }
    }
    imports_.insert(imports_.end(), names.begin(), names.end());
    tell_imports();
}

// The daemon that this session has started may not listen yet.
void NativeEngine::tell_imports() {
    if (!python_.empty() && !imports_.empty() && pool::tell_imports(python_, imports_)) {
        imports_.clear();
    }
}

}  // namespace cellblock::sandbox
