// Failures in words.
#include "sandbox/jail/error_messages.h"

#include <sys/utsname.h>

#include <cerrno>
#include <cstdio>
#include <string_view>

#include "sandbox/base/files.h"

namespace cellblock::sandbox::jail {

namespace {

std::string step_name(const JailPlan& plan, const Failure& failure) {
    const auto index = static_cast<std::size_t>(failure.index);
    const FileStep* file = index < plan.files.size() ? &plan.files[index] : nullptr;
    switch (failure.step) {
        case Step::none:
            return "set up";
        case Step::start_first_process:
            return "make its namespaces";
        case Step::watch_parent:
            return "tie its life to ours";
        case Step::ask_attendant:
            return "get from the host what it shows";
        case Step::join_cgroup:
            return "join its cgroup";
        case Step::map_user:
            return "map its user";
        case Step::cgroup_namespace:
            return "make a cgroup namespace";
        case Step::host_name:
            return "set its host name";
        case Step::loopback:
            return "bring up its loopback network";
        case Step::listen:
            return "listen on its loopback";
        case Step::private_mounts:
            return "make its mounts private";
        case Step::open_source:
            return file == nullptr       ? "open a source"
                   : file->label.empty() ? "show " + file->source
                                         : file->label;
        case Step::base_filesystem:
            return "mount its root";
        case Step::scratch_filesystem:
            return "mount its writable filesystem";
        case Step::file_step:
            return file == nullptr        ? "build its root"
                   : !file->label.empty() ? file->label + " at /" + file->target
                                          : "make /" + file->target;
        case Step::change_root:
            return "change to its root";
        case Step::read_only_root:
            return "make its root read-only";
        case Step::standard_streams:
            return "open its standard streams";
        case Step::change_user:
            return "change its user";
        case Step::last_user_namespace:
            return "make its last user namespace";
        case Step::resource_limit:
            return "set resource limit " + std::to_string(failure.index);
        case Step::working_directory:
            return "enter its working directory";
        case Step::drop_capabilities:
            return "drop its capabilities";
        case Step::no_new_privileges:
            return "set no_new_privs";
        case Step::landlock:
            return "lock its files by Landlock";
        case Step::landlock_rule:
            return "lock its files by Landlock" +
                   (index < plan.landlock.rules.size() ? ", at " + plan.landlock.rules[index].path : "");
        case Step::system_call_filter:
            return "apply its system call filter";
        case Step::parent_gone:
            return "go on without its supervisor";
        case Step::execute:
            return "run " + plan.arguments[0];
    }
    return "set up";
}

bool holds(const char* file, const char* value) {
    const std::string text = file_text(file);
    return !text.empty() && text.substr(0, text.find('\n')) == value;
}

bool linux_is_old() {
    utsname name{};
    int major = 0;
    int minor = 0;
    return ::uname(&name) == 0 && std::sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
           (major < 5 || (major == 5 && minor < 12));
}

// What a process may do only in namespaces of its own, which the host may have switched off or restricted.
bool needs_namespaces(Step step) {
    switch (step) {
        case Step::start_first_process:
        case Step::map_user:
        case Step::host_name:
        case Step::loopback:
        case Step::listen:
        case Step::private_mounts:
        case Step::open_source:
        case Step::base_filesystem:
        case Step::scratch_filesystem:
        case Step::file_step:
        case Step::change_root:
        case Step::read_only_root:
        case Step::cgroup_namespace:
        case Step::change_user:
        case Step::last_user_namespace:
            return true;
        default:
            return false;
    }
}

// The AppArmor profile that confines this process; empty: none does.
std::string confining_profile() {
    std::string label = file_text("/proc/self/attr/apparmor/current");
    label = label.substr(0, label.find('\n'));
    constexpr std::string_view kEnforced = " (enforce)";
    return label.ends_with(kEnforced) ? label.substr(0, label.size() - kEnforced.size()) : "";
}

std::string remedy_for(const JailPlan& plan, const Failure& failure) {
    if (failure.error == EMFILE || failure.error == ENFILE) {
        return "Let more files be open: ulimit -n 1024, or LimitNOFILE= of the service that starts cellblock";
    }
    if (linux_is_old() && (failure.error == ENOSYS || failure.error == EINVAL)) {
        return "The native engine needs Linux 5.12 or newer";
    }
    const bool refused = failure.error == EPERM || failure.error == EACCES || failure.error == ENOSPC ||
                         failure.error == EUSERS;
    if (refused && needs_namespaces(failure.step)) {
        if (auto remedy = namespaces_remedy(); !remedy.empty()) {
            return remedy;
        }
        if (auto profile = confining_profile(); failure.error == EACCES && !profile.empty()) {
            return "AppArmor's profile \"" + profile +
                   "\" confines this process and refuses it: give the profile the rules \"userns,\" and "
                   "\"mount,\", or cellblock a profile of its own";
        }
    }
    if ((failure.step == Step::private_mounts && failure.error == EINVAL) ||
        (failure.step == Step::last_user_namespace && failure.error == EPERM)) {
        return "In a chroot? Nobody may make a user namespace there. Enter that folder by pivot_root, as a "
               "container does (systemd-nspawn, say)";
    }
    if (failure.step == Step::start_first_process && (refused || failure.error == ENOSYS)) {
        return "Inside another container? That one must allow user namespaces (for docker: --security-opt "
               "seccomp=unconfined --security-opt apparmor=unconfined). Or set the policy's key \"require\" "
               "to "
               "\"no-namespaces\", which does without them, or use another engine";
    }
    const auto index = static_cast<std::size_t>(failure.index);
    const FileStep* file = index < plan.files.size() ? &plan.files[index] : nullptr;
    if (failure.step == Step::file_step && file != nullptr) {
        if (file->kind == FileStepKind::proc) {
            return "A container that hides parts of /proc forbids a new one inside (for docker: "
                   "--security-opt "
                   "systempaths=unconfined); or use another engine";
        }
        if (failure.error == EROFS) {
            return "The place lies in a read-only folder and isn't there: choose another path for the "
                   "sandbox";
        }
        if (file->kind == FileStepKind::overlay && failure.error == ENODEV) {
            return "This kernel has no overlayfs, or its module isn't loaded: sudo modprobe overlay. Or give "
                   "the rule another mode than \"overlay\"";
        }
        if (failure.error == ELOOP) {
            return "A symbolic link lies on the way to that place: choose another path for the sandbox";
        }
    }
    return {};
}

}  // namespace

std::string namespaces_remedy() {
    if (holds("/proc/sys/user/max_user_namespaces", "0")) {
        return "User namespaces are switched off: sudo sysctl -w user.max_user_namespaces=10000";
    }
    if (holds("/proc/sys/kernel/unprivileged_userns_clone", "0")) {
        return "User namespaces are only for root here: sudo sysctl -w kernel.unprivileged_userns_clone=1";
    }
    if (holds("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1")) {
        return "AppArmor restricts user namespaces: sudo sysctl -w "
               "kernel.apparmor_restrict_unprivileged_userns=0, or give cellblock an AppArmor profile with "
               "\"userns,\"";
    }
    return {};
}

Error setup_error(const JailPlan& plan, const Failure& failure) {
    return Error{"the sandbox could not be set up: " + step_name(plan, failure),
                 failure.error,
                 {},
                 remedy_for(plan, failure)};
}

}  // namespace cellblock::sandbox::jail
