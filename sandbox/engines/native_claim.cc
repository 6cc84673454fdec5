// Claiming a jail.
#include "sandbox/engines/native_claim.h"

#include "sandbox/base/digests.h"
#include "sandbox/base/resources.h"
#include "sandbox/jail/file_rules.h"
#include "sandbox/jail/plan_bytes.h"

namespace cellblock::sandbox::pool {

namespace {

Result<ZygoteSpec> spec_for(const Policy& policy, const jail::JailPlan& plan, const jail::PythonHome& python,
                            const std::string& worker_folder) {
    if (plan.contained) {
        return Error{"start warm", 0, "without namespaces each sandbox starts cold", {}};
    }
    auto library = jail_library();
    if (!library) {
        return library.error();
    }
    return ZygoteSpec{python.program, python.prefixes, policy.preload,
                      worker_folder,  *library,        plan.environment};
}

}  // namespace

Claim claim(const Policy& policy, const StartOptions& options, const jail::JailPlan& plan,
            const jail::PythonHome& python, const std::string& worker_folder) {
    auto spec = spec_for(policy, plan, python, worker_folder);
    if (!spec) {
        return Claim(spec.error());
    }
    // With packages it shows a folder that no other session has.
    Request request{Verb::claim, std::move(*spec), recipe_for(policy, options.packages.empty())};
    request.recipe.memory_bytes = policy.limits.memory_bytes;
    request.recipe.processes = policy.limits.processes;
    request.recipe.cpus = policy.limits.cpus;
    request.recipe.sources = sha256(jail::sources_of(plan.files));
    return Claim(policy, request, jail::plan_to_bytes(plan));
}

}  // namespace cellblock::sandbox::pool
