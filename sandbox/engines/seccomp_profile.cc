// The allowlist as runtimes read it. The far end applies the whole filter, with all its
// arguments, on top: runtimes need a few calls more than a jail before they are done.
#include <linux/sched.h>
#include <sys/socket.h>

#include <nlohmann/json.hpp>

#include "sandbox/engines/oci_bundle.h"
#include "sandbox/jail/allowed_calls.h"

namespace cellblock::sandbox {

namespace {

using nlohmann::ordered_json;

constexpr std::uint64_t kNewNamespaces =
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

ordered_json rule(ordered_json names, const char* action) {
    return {{"names", std::move(names)}, {"action", action}};
}

ordered_json names_of(std::initializer_list<std::span<const char* const>> lists) {
    ordered_json names = ordered_json::array();
    for (const auto& list : lists) {
        for (const char* name : list) {
            names.push_back(name);
        }
    }
    return names;
}

ordered_json with_argument(const char* name, unsigned index, std::uint64_t value, std::uint64_t second,
                           const char* comparison) {
    ordered_json made = rule({name}, "SCMP_ACT_ALLOW");
    made["args"] = {{{"index", index}, {"value", value}, {"valueTwo", second}, {"op", comparison}}};
    return made;
}

// But for the far end's own lock on files.
ordered_json missing_calls() {
    ordered_json names = ordered_json::array();
    for (const std::string name : jail::calls_said_to_be_missing()) {
        if (!name.starts_with("landlock_")) {
            names.push_back(name);
        }
    }
    return names;
}

}  // namespace

std::string seccomp_profile() {
    ordered_json calls = ordered_json::array();
    ordered_json names = names_of({jail::allowed_calls(), jail::calls_with_memory_of_their_own()});
    // What runtimes do after the filter stands, and what the far end's own filter is set by.
    for (const char* name : {"ioctl",
                             "prctl",
                             "seccomp",
                             "capget",
                             "capset",
                             "setgroups",
                             "setuid",
                             "setgid",
                             "setresuid",
                             "setresgid",
                             "fchdir",
                             "close_range",
                             "mknod",
                             "mknodat",
                             "fcntl",
                             "mmap",
                             "arch_prctl",
                             "msync",
                             "landlock_create_ruleset",
                             "landlock_add_rule",
                             "landlock_restrict_self"}) {
        names.push_back(name);
    }
    calls.push_back(rule(names, "SCMP_ACT_ALLOW"));
    ordered_json missing = rule(missing_calls(), "SCMP_ACT_ERRNO");
    missing["errnoRet"] = 38;  // ENOSYS
    calls.push_back(missing);
    ordered_json undone = rule(names_of({jail::calls_left_undone()}), "SCMP_ACT_ERRNO");
    undone["errnoRet"] = 0;
    calls.push_back(undone);
    calls.push_back(with_argument("clone", 0, kNewNamespaces, 0, "SCMP_CMP_MASKED_EQ"));
    calls.push_back(with_argument("personality", 0, 0xffffffff, 0, "SCMP_CMP_EQ"));
    for (const std::uint64_t family : {AF_UNIX, AF_INET, AF_INET6}) {
        calls.push_back(with_argument("socket", 0, family, 0, "SCMP_CMP_EQ"));
    }
    ordered_json interfaces = with_argument("socket", 0, AF_NETLINK, 0, "SCMP_CMP_EQ");
    interfaces["action"] = "SCMP_ACT_ERRNO";
    interfaces["errnoRet"] = 95;  // EOPNOTSUPP, which libzmq lives with
    calls.push_back(interfaces);
    calls.push_back(with_argument("socketpair", 0, AF_UNIX, 0, "SCMP_CMP_EQ"));
    return ordered_json{{"defaultAction", "SCMP_ACT_ERRNO"}, {"defaultErrnoRet", 1}, {"syscalls", calls}}
        .dump();
}

}  // namespace cellblock::sandbox
