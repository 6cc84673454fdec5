// The layers of a sandbox's wall, and what a policy requires of them.
//
// Purpose: what stands is measured, told by name (`cellblock doctor`) and held
// against the policy's `require`. Where a required layer can't be had, no code
// runs. A layer's name is the same in the policy, in messages and in doctor.
// Ownership: plain values. Threads: no shared state.
// Failure: missing_layer gives the Error that names layer and remedy.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/api/result.h"

namespace cellblock::sandbox {

enum class Layer {
    namespaces,    // its own users, processes, mounts, network, IPC, host name, cgroups
    root,          // its own root filesystem, read-only but for sized scratch space
    user,          // a user of its own
    capabilities,  // none, and no way to gain any
    seccomp,       // system calls by an allowlist
    landlock,      // a second lock on files, signals, abstract sockets
    network,       // none
    rlimits,       // of each process
    memory,        // of all processes together, by a cgroup
    processes,     // their number, by a cgroup
    cpus,          // their share of processors, by a cgroup
};

// Whether a layer stands in one sandbox on this host.
struct LayerState {
    Layer layer = Layer::namespaces;
    bool in_force = false;
    std::string detail;  // by what, or what holds instead
    std::string remedy;  // how to get it; empty if it stands
};

// What a policy requires: the layers of a level, or single ones.
struct Requirement {
    std::string level;          // "standard" …; empty: `layers` were named one by one
    std::vector<Layer> layers;  // in the order of the enum
};

// The default: `full`, less the cgroups that not every user is given. Of another
// engine than the native one it asks for what that one says it has.
inline constexpr const char* kStandardLevel = "standard";

const std::vector<Layer>& all_layers();
const char* name_of(Layer layer);
std::optional<Layer> layer_named(std::string_view name);

// Nothing, if there is no such level.
std::optional<Requirement> level_named(std::string_view name);

// The first of the required layers that doesn't stand, as an Error; nothing if all do.
std::optional<Error> missing_layer(const Requirement& requirement, const std::vector<LayerState>& states,
                                   const std::string& policy_name);

}  // namespace cellblock::sandbox
