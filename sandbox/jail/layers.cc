// A jail's layers, told from its plan and its cgroups.
#include "sandbox/jail/layers.h"

#include "sandbox/jail/error_messages.h"

namespace cellblock::sandbox::jail {

namespace {

constexpr const char* kGetNamespaces =
    "Inside another container? That one must allow user namespaces (for docker: --security-opt "
    "seccomp=unconfined --security-opt apparmor=unconfined)";
constexpr const char* kGetCgroups =
    "Run it as root, or where cgroups can be had: in a login by which systemd runs for the user, or in a "
    "service "
    "with Delegate=cpu memory pids and DelegateSubgroup=";

LayerState stands(Layer layer, std::string detail) {
    return {layer, true, std::move(detail), {}};
}

LayerState by_cgroup(Layer layer, const Cgroup& cgroup, const std::string& by, const char* instead) {
    if (!by.empty()) {
        return stands(layer, by);
    }
    const std::string& why = cgroup.obstacle();
    return {layer, false, "no cgroup" + (why.empty() ? "" : " (" + why + ")") + "; " + instead,
            cgroup.remedy().empty() ? kGetCgroups : cgroup.remedy()};
}

LayerState namespaces_of(const JailPlan& plan) {
    if (!plan.without_namespaces) {
        return stands(Layer::namespaces, "user, pid, mount, net, ipc, uts, cgroup");
    }
    const auto remedy = namespaces_remedy();
    return {Layer::namespaces, false, "this host allows none", remedy.empty() ? kGetNamespaces : remedy};
}

LayerState root_of(const JailPlan& plan) {
    if (!plan.without_namespaces) {
        return stands(Layer::root, "read-only, with one writable filesystem of limited size");
    }
    return {Layer::root, false,
            "the host's paths, of which Landlock opens a few; only each file's size is limited",
            "It comes with namespaces"};
}

LayerState user_of(const JailPlan& plan) {
    if (plan.identity.privileged) {
        return stands(Layer::user, "one that nobody uses");
    }
    return plan.without_namespaces
               ? LayerState{Layer::user, false, "the caller's own", "It comes with namespaces, or as root"}
               : stands(Layer::user, "the caller's own, mapped");
}

LayerState landlock_of(const JailPlan& plan) {
    const int abi = plan.landlock.abi;
    if (plan.without_namespaces && !plan.identity.privileged && abi > 0 && abi < kAbiOfSignals) {
        std::string why = "this kernel's (ABI ";  // in parts, or GCC 14 warns of what it doesn't do
        why += std::to_string(abi);
        why += ") can't keep signals in, which it must where there are no namespaces";
        return {Layer::landlock, false, std::move(why),
                "It needs Linux 6.12 or newer, or namespaces, or to be run by root"};
    }
    return {Layer::landlock, abi > 0, landlock_in_words(abi), abi > 0 ? "" : how_to_get_landlock()};
}

LayerState network_of(const JailPlan& plan) {
    if (plan.host_network) {
        return {Layer::network, false, "the host's", {}};
    }
    if (plan.listens) {
        return stands(Layer::network,
                      "a namespace with its own loopback, and there a proxy to the hosts that are allowed");
    }
    return stands(Layer::network, plan.without_namespaces ? "no sockets: the system call filter denies them"
                                                          : "a namespace with nothing but its own loopback");
}

}  // namespace

std::vector<LayerState> layers_of(const JailPlan& plan, const Cgroup& cgroup) {
    return {
        namespaces_of(plan),
        root_of(plan),
        user_of(plan),
        stands(Layer::capabilities, "none, and no_new_privs"),
        stands(Layer::seccomp, "default deny; what is allowed is named"),
        landlock_of(plan),
        network_of(plan),
        stands(Layer::rlimits, "of each process"),
        by_cgroup(Layer::memory, cgroup, cgroup.limits_memory(),
                  "each process is limited by itself, and the warden watches their sum"),
        by_cgroup(Layer::processes, cgroup, cgroup.limits_processes(),
                  "RLIMIT_NPROC of the sandbox's user holds"),
        by_cgroup(Layer::cpus, cgroup, cgroup.limits_cpus(), "the share isn't limited"),
    };
}

}  // namespace cellblock::sandbox::jail
