// The parts of a policy that an engine other than the native one can keep.
//
// Purpose: a key that is set and can't be kept is refused by name, unless the policy says `allow_unenforced`;
// so is a layer that the policy names in `require`. Ownership: plain values. Threads: pure. Failure: an Error
// that names key and remedy.
#pragma once

#include <string>
#include <vector>

#include "sandbox/api/layers.h"
#include "sandbox/api/policy.h"
#include "sandbox/api/result.h"
#include "sandbox/jail/cgroup.h"

namespace cellblock::sandbox {

struct Promises {
    std::string engine;
    std::string isolation;              // by what a layer stands, in words
    std::vector<std::string> enforces;  // keys of the policy
    std::vector<Layer> layers;
    bool children = false;  // cellblock's own control groups hold its processes
    bool private_processes = true;
    bool own_user = false;   // no other process is its user's
    bool elsewhere = false;  // sandboxes run on another machine, which the policy's destination names
};

// `key`: one that a template may name in `enforces`.
bool enforces(const Promises& promises, const std::string& key);

// Has the sum of all processes' memory a limit that Linux or the engine keeps?
bool limits_memory(const Promises& promises, const jail::Cgroup& cgroup);

// The bounds that the far end has to keep itself for want of control groups.
bool watches_memory(const Promises& promises, const jail::Cgroup& cgroup);
bool counts_processes(const Promises& promises, const jail::Cgroup& cgroup);

std::vector<LayerState> layers_of(const Promises& promises, const jail::Cgroup& cgroup);
Status check_promises(const Policy& policy, const Promises& promises, const jail::Cgroup& cgroup);

}  // namespace cellblock::sandbox
