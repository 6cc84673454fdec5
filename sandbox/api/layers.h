// Layers of a sandbox's isolation, and which of them a policy requires.
//
// Each engine reports for its sandboxes which layers are in force (Sandbox::layers(), `cellblock doctor`).
// Where a layer that Policy::require names is not in force, no code runs. A layer has one name, the same in
// policies, in messages and in doctor's report:
//
//     Policy policy = builtin_policy();
//     policy.require = *level_named("full");
//     if (auto missing = missing_layer(policy.require, sandbox->layers(), policy.name)) {
//         std::cerr << missing->text() << "\n";   // names the layer and how to get it
//     }
//
// Everything here is a plain value without shared state: any thread may call these functions. No function
// throws.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/api/result.h"

namespace cellblock::sandbox {

enum class Layer {
    namespaces,    // own users, processes, mounts, network, IPC, host name and cgroups
    root,          // own root filesystem, read-only except for scratch space of a bounded size
    user,          // a user id of its own
    capabilities,  // no capabilities, and no way to gain any
    seccomp,       // an allowlist of system calls
    landlock,      // a second check of file changes, signals and abstract sockets
    network,       // no network
    rlimits,       // resource limits of each process
    memory,        // bound on the memory of all processes together, by a cgroup
    processes,     // bound on the number of processes, by a cgroup
    cpus,          // bound on the share of processors, by a cgroup
};

// A layer, and whether it is in force in one sandbox on this host.
struct LayerState {
    Layer layer = Layer::namespaces;
    bool in_force = false;
    std::string detail;  // how the layer is enforced, or what is there in its place
    std::string remedy;  // what to do to get the layer; empty if it is in force
};

// The layers that a policy requires.
struct Requirement {
    std::string level;          // the level's name; empty if `layers` were named one by one
    std::vector<Layer> layers;  // in the order of the enum
};

// The default level: all layers but those that need cgroups, which not every user may make. Other engines
// than `native` are taken at their template's word at this level.
inline constexpr const char* kStandardLevel = "standard";

const std::vector<Layer>& all_layers();  // in the order of the enum
const char* name_of(Layer layer);
// nullopt: there is no layer of that name.
std::optional<Layer> layer_named(std::string_view name);

// The layers of "standard", "full" or "no-namespaces". nullopt: there is no such level.
std::optional<Requirement> level_named(std::string_view name);

// An Error for the first required layer that is not in force in `states`; nullopt if all are. The Error names
// the layer, the remedy, and the policy's key to change. `policy_name` is for that message.
std::optional<Error> missing_layer(const Requirement& requirement, const std::vector<LayerState>& states,
                                   const std::string& policy_name);

}  // namespace cellblock::sandbox
