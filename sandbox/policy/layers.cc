// Names of layers and levels, and the first required layer that is missing.
#include "sandbox/api/layers.h"

#include <algorithm>

namespace cellblock::sandbox {

const std::vector<Layer>& all_layers() {
    static const std::vector<Layer> layers{Layer::namespaces,   Layer::root,    Layer::user,
                                           Layer::capabilities, Layer::seccomp, Layer::landlock,
                                           Layer::network,      Layer::rlimits, Layer::memory,
                                           Layer::processes,    Layer::cpus};
    return layers;
}

const char* name_of(Layer layer) {
    switch (layer) {
        case Layer::namespaces:
            return "namespaces";
        case Layer::root:
            return "root";
        case Layer::user:
            return "user";
        case Layer::capabilities:
            return "capabilities";
        case Layer::seccomp:
            return "seccomp";
        case Layer::landlock:
            return "landlock";
        case Layer::network:
            return "network";
        case Layer::rlimits:
            return "rlimits";
        case Layer::memory:
            return "memory";
        case Layer::processes:
            return "processes";
        case Layer::cpus:
            return "cpus";
    }
    return "";
}

std::optional<Layer> layer_named(std::string_view name) {
    const auto& layers = all_layers();
    const auto found =
        std::find_if(layers.begin(), layers.end(), [&](Layer layer) { return name_of(layer) == name; });
    return found == layers.end() ? std::nullopt : std::optional(*found);
}

std::optional<Requirement> level_named(std::string_view name) {
    if (name == "full") {
        return Requirement{"full", all_layers()};
    }
    if (name == kStandardLevel) {
        return Requirement{kStandardLevel,
                           {Layer::namespaces, Layer::root, Layer::user, Layer::capabilities, Layer::seccomp,
                            Layer::landlock, Layer::network, Layer::rlimits}};
    }
    if (name == "no-namespaces") {
        return Requirement{
            "no-namespaces",
            {Layer::capabilities, Layer::seccomp, Layer::landlock, Layer::network, Layer::rlimits}};
    }
    return std::nullopt;
}

std::optional<Error> missing_layer(const Requirement& requirement, const std::vector<LayerState>& states,
                                   const std::string& policy_name) {
    for (const Layer wanted : requirement.layers) {
        const auto state =
            std::find_if(states.begin(), states.end(), [&](const auto& one) { return one.layer == wanted; });
        if (state != states.end() && state->in_force) {
            continue;
        }
        const std::string why = state == states.end() ? "this engine doesn't have it" : state->detail;
        const std::string remedy = state == states.end() || state->remedy.empty() ? "" : state->remedy + ". ";
        return Error{"start a sandbox", 0,
                     std::string("the layer \"") + name_of(wanted) + "\" can't be had here: " + why,
                     remedy + "Or take the layer out of the key \"require\" of policy \"" + policy_name +
                         "\", if you can do without it"};
    }
    return std::nullopt;
}

}  // namespace cellblock::sandbox
