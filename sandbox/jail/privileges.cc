// Giving up power.
#include "sandbox/jail/privileges.h"

#include <linux/capability.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>

#include "sandbox/base/syscalls.h"

namespace cellblock::sandbox::jail {

namespace {

Failure failed(Step step, int index = 0) {
    return {step, index, errno != 0 ? errno : EIO};
}

bool write_maps(const std::string& users, const std::string& groups) {
    return write_file("/proc/self/setgroups", "deny", 4) &&
           write_file("/proc/self/gid_map", groups.data(), groups.size()) &&
           write_file("/proc/self/uid_map", users.data(), users.size());
}

}  // namespace

Failure map_first_user(const Identity& identity) {
    if (!write_maps(identity.first_user_map, identity.first_group_map)) {
        return failed(Step::map_user);
    }
    return {};
}

Failure become_inside_user() {
    if (!become(kInsideId, kInsideId)) {
        return failed(Step::change_user);
    }
    // The change of user made our own files in /proc root's.
    ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    return {};
}

void limit_user_namespaces() {
    (void)write_file("/proc/sys/user/max_user_namespaces", "1", 1);
}

Failure enter_last_user_namespace(const Identity& identity) {
    if (identity.privileged && !become(identity.user, identity.group)) {
        return failed(Step::change_user);
    }
    // The change of user made our own files in /proc root's.
    ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    if (::unshare(CLONE_NEWUSER) != 0 || !write_maps(identity.last_user_map, identity.last_group_map)) {
        return failed(Step::last_user_namespace);
    }
    return {};
}

Failure set_limits(const JailPlan& plan) {
    for (const auto& limit : plan.limits) {
        const rlimit wanted{limit.value, limit.value};
        if (::setrlimit(static_cast<__rlimit_resource_t>(limit.resource), &wanted) != 0) {
            return failed(Step::resource_limit, limit.resource);
        }
    }
    return {};
}

namespace {

Failure close_ways_to_capabilities() {
    constexpr unsigned long kBits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                                    SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                                    SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
    if (::prctl(PR_SET_SECUREBITS, kBits, 0, 0, 0) != 0 ||
        ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) {
        return failed(Step::drop_capabilities);
    }
    for (unsigned long capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
        if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) {
            return failed(Step::drop_capabilities, static_cast<int>(capability));
        }
    }
    return {};
}

Failure drop_held_capabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    const __user_cap_data_struct none[2] = {};
    if (::syscall(SYS_capset, &header, none) != 0) {
        return failed(Step::drop_capabilities);
    }
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? Failure{} : failed(Step::no_new_privileges);
}

}  // namespace

Failure drop_capabilities() {
    if (const auto failure = close_ways_to_capabilities(); failure.happened()) {
        return failure;
    }
    return drop_held_capabilities();
}

Failure become_user_without_namespaces(const Identity& identity) {
    if (identity.privileged) {
        if (const auto failure = close_ways_to_capabilities(); failure.happened()) {
            return failure;
        }
        if (!become(identity.user, identity.group)) {
            return failed(Step::change_user);
        }
    }
    ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    return drop_held_capabilities();
}

Failure apply_filter(const JailPlan& plan) {
    const sock_fprog program{static_cast<unsigned short>(plan.filter.size()),
                             const_cast<sock_filter*>(plan.filter.data())};
    return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0
               ? Failure{}
               : failed(Step::system_call_filter);
}

}  // namespace cellblock::sandbox::jail
