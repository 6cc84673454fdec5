// The layers that every jail has.
#include "sandbox/jail/layers.h"

namespace cellblock::sandbox::jail {

LayersInForce certain_layers(bool privileged) {
    return {
        {"namespaces", true, "user, pid, mount, net, ipc, uts, cgroup"},
        {"host user", true, privileged ? "one that nobody uses" : "the caller's own"},
        {"own root", true, "read-only, with one writable filesystem of limited size"},
        {"capabilities", true, "none, and no_new_privs"},
        {"system call filter", true, "a list of refused calls; newer calls than known don't exist"},
        {"resource limits", true, "of each process"},
        {"network", true, "none but an own loopback"},
    };
}

}  // namespace cellblock::sandbox::jail
