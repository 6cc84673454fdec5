// Keys and layers.
#include "sandbox/engines/promises.h"

#include <algorithm>

namespace cellblock::sandbox {

namespace {

// Each is set always, by its default if not by the policy, but for the last two.
std::vector<std::string> unkept(const Policy& policy, const Promises& promises, const jail::Cgroup& cgroup) {
    std::vector<std::string> keys;
    const auto miss = [&](const char* key, bool kept) {
        if (!kept) {
            keys.emplace_back(key);
        }
    };
    miss("limits.memory", limits_memory(promises, cgroup) || watches_memory(promises, cgroup));
    miss("limits.processes", enforces(promises, "limits.processes") || !cgroup.limits_processes().empty() ||
                                 counts_processes(promises, cgroup));
    miss("limits.disk", enforces(promises, "limits.disk"));
    miss("network", enforces(promises, "network"));
    miss("network.allow", !policy.network.any() || enforces(promises, "network.allow"));
    // An overlay is a copy, which the far end makes on every engine.
    const bool shows = std::any_of(policy.files.begin(), policy.files.end(),
                                   [](const FileRule& rule) { return rule.mode == FileMode::read; });
    miss("files", !shows || enforces(promises, "files"));
    miss("packages.allow", policy.packages.allow.empty() || enforces(promises, "packages.allow"));
    return keys;
}

LayerState by(Layer layer, bool stands, const std::string& what, const std::string& instead) {
    return {layer, stands, stands ? what : instead, ""};
}

LayerState limit_of(const Promises& promises, Layer layer, const char* key, const std::string& cgroup,
                    bool remote) {
    const std::string what = enforces(promises, key) ? promises.engine : cgroup;
    return by(layer, !what.empty(), "by " + what, remote ? "the far end watches it" : "not limited");
}

}  // namespace

bool enforces(const Promises& promises, const std::string& key) {
    return std::find(promises.enforces.begin(), promises.enforces.end(), key) != promises.enforces.end();
}

bool limits_memory(const Promises& promises, const jail::Cgroup& cgroup) {
    return enforces(promises, "limits.memory") || !cgroup.limits_memory().empty();
}

bool watches_memory(const Promises& promises, const jail::Cgroup& cgroup) {
    return promises.children && promises.private_processes && cgroup.limits_memory().empty();
}

// RLIMIT_NPROC counts by user namespace, and children have one of their own.
bool counts_processes(const Promises& promises, const jail::Cgroup& cgroup) {
    return promises.own_user ||
           (promises.children && promises.private_processes && cgroup.limits_processes().empty());
}

std::vector<LayerState> layers_of(const Promises& promises, const jail::Cgroup& cgroup) {
    std::vector<LayerState> states;
    for (const Layer layer : all_layers()) {
        switch (layer) {
            case Layer::network:
                states.push_back(
                    by(layer, enforces(promises, "network"), promises.isolation, "the engine's network"));
                break;
            case Layer::rlimits:
                states.push_back(by(layer, true, "of each process, set inside", ""));
                break;
            case Layer::memory:
                states.push_back(limit_of(promises, layer, "limits.memory", cgroup.limits_memory(),
                                          watches_memory(promises, cgroup)));
                break;
            case Layer::processes:
                states.push_back(limit_of(promises, layer, "limits.processes", cgroup.limits_processes(),
                                          counts_processes(promises, cgroup)));
                break;
            case Layer::cpus:
                states.push_back(limit_of(promises, layer, "limits.cpus", cgroup.limits_cpus(), false));
                break;
            default: {
                const auto& has = promises.layers;
                const bool stands = std::find(has.begin(), has.end(), layer) != has.end();
                states.push_back(by(layer, stands, promises.isolation, "this engine doesn't have it"));
            }
        }
    }
    return states;
}

Status check_promises(const Policy& policy, const Promises& promises, const jail::Cgroup& cgroup) {
    if (promises.elsewhere && (policy.limits.memory_share > 0 || policy.limits.cpus_share > 0)) {
        return Error{"engine \"" + promises.engine + "\"", 0,
                     "policy \"" + policy.name + "\" gives " +
                         (policy.limits.memory_share > 0 ? "limits.memory" : "limits.cpus") +
                         " as a share of this machine, and the sandbox runs on another one",
                     "Give figures, for example \"memory\": \"2GiB\" and \"cpus\": 2"};
    }
    if (policy.require.level != kStandardLevel) {
        if (auto missing = missing_layer(policy.require, layers_of(promises, cgroup), policy.name)) {
            return *missing;
        }
    }
    const auto keys = unkept(policy, promises, cgroup);
    if (keys.empty() || policy.allow_unenforced) {
        return Ok{};
    }
    std::string names;
    for (const auto& key : keys) {
        names += (names.empty() ? "" : ", ") + key;
    }
    return Error{"engine \"" + promises.engine + "\"", 0,
                 "it can't keep what policy \"" + policy.name + "\" says of " + names,
                 "Use another engine, or say \"allow_unenforced\": true to run without"};
}

}  // namespace cellblock::sandbox
