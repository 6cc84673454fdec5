// Id-mapped mounts.
#include "sandbox/jail/id_mapping.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>

#include "sandbox/base/syscalls.h"
#include "sandbox/jail/mount_calls.h"

namespace cellblock::sandbox::jail {

namespace {

// A descriptor's number is told as an exit status.
constexpr int kNone = 255;
constexpr std::size_t kStackBytes = 16384;

struct Owner {
    const FileStep& step;
    const Identity& identity;
};

// Becomes the jail's user in a user namespace where that is the folder's owner,
// and leaves its descriptor open in the table shared with the parent.
int make_namespace(void* owner) {
    const auto& [step, identity] = *static_cast<const Owner*>(owner);
    int fd = kNone;
    if (become(identity.user, identity.group) && ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0 &&
        ::unshare(CLONE_NEWUSER) == 0 && write_file("/proc/self/setgroups", "deny", 4) &&
        write_file("/proc/self/gid_map", step.group_map.data(), step.group_map.size()) &&
        write_file("/proc/self/uid_map", step.user_map.data(), step.user_map.size())) {
        fd = ::open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
    }
    ::_exit(fd >= 0 && fd < kNone ? fd : kNone);
}

// In the parent's memory, as vfork does: to copy that of a warm Python takes longer than all the rest here.
int owner_namespace(const FileStep& step, const Identity& identity) {
    alignas(16) char stack[kStackBytes];
    Owner owner{step, identity};
    const pid_t child =
        ::clone(make_namespace, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &owner);
    int status = 0;
    while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) != kNone ? WEXITSTATUS(status) : -1;
}

}  // namespace

bool show_owner_as_jail_user(int tree, const FileStep& step, const Identity& identity) {
    const OpenFile owner(owner_namespace(step, identity));
    if (!owner.valid()) {
        return false;
    }
    return set_mount_attributes(
        tree, "", AT_EMPTY_PATH | AT_RECURSIVE,
        {.set = MOUNT_ATTR_IDMAP, .user_namespace = static_cast<std::uint64_t>(owner.get())});
}

}  // namespace cellblock::sandbox::jail
