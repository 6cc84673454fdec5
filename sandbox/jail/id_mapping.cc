// Id-mapped mounts.
#include "sandbox/jail/id_mapping.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>

#include "sandbox/jail/calls.h"

namespace cellblock::sandbox::jail {

namespace {

// A descriptor's number is told as an exit status.
constexpr int kNone = 255;

// Becomes the jail's user in a user namespace where that is the folder's owner,
// and leaves its descriptor open in the table shared with the parent.
[[noreturn]] void make_namespace(const FileStep& step, const Identity& identity) {
    int fd = kNone;
    if (become(identity.user, identity.group) && ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0 &&
        ::unshare(CLONE_NEWUSER) == 0 && write_file("/proc/self/setgroups", "deny", 4) &&
        write_file("/proc/self/gid_map", step.group_map.data(), step.group_map.size()) &&
        write_file("/proc/self/uid_map", step.user_map.data(), step.user_map.size())) {
        fd = ::open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
    }
    ::_exit(fd >= 0 && fd < kNone ? fd : kNone);
}

int owner_namespace(const FileStep& step, const Identity& identity) {
    clone_args arguments{};
    arguments.flags = CLONE_FILES;
    arguments.exit_signal = SIGCHLD;
    const auto child = static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
    if (child == 0) {
        make_namespace(step, identity);
    }
    int status = 0;
    while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) != kNone ? WEXITSTATUS(status) : -1;
}

}  // namespace

bool show_owner_as_jail_user(int tree, const FileStep& step, const Identity& identity) {
    const int owner = owner_namespace(step, identity);
    if (owner < 0) {
        return false;
    }
    mount_attr wanted{};
    wanted.attr_set = MOUNT_ATTR_IDMAP;
    wanted.userns_fd = static_cast<std::uint64_t>(owner);
    const bool done = ::mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &wanted, sizeof wanted) == 0;
    ::close(owner);
    return done;
}

}  // namespace cellblock::sandbox::jail
