// Linux's calls for mounts that have no place yet: open_tree(2), move_mount(2), mount_setattr(2).
//
// glibc has functions for them since 2.36 only, and an older one's <sys/mount.h> can't be included beside
// <linux/mount.h>. Safe after fork: nothing here allocates, locks or throws. Errors as errno.
#pragma once

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

#ifndef MOUNT_ATTR_RDONLY
#define MOUNT_ATTR_RDONLY 0x1
#define MOUNT_ATTR_NOSUID 0x2
#define MOUNT_ATTR_NODEV 0x4
#define MOUNT_ATTR_NOEXEC 0x8
#define MOUNT_ATTR_IDMAP 0x100000
#endif
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#define OPEN_TREE_CLOEXEC O_CLOEXEC
#endif
#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 0x4
#define MOVE_MOUNT_T_EMPTY_PATH 0x40
#endif

namespace cellblock::sandbox::jail {

// As Linux's struct mount_attr.
struct MountAttributes {
    std::uint64_t set = 0;  // MOUNT_ATTR_…
    std::uint64_t clear = 0;
    std::uint64_t propagation = 0;
    std::uint64_t user_namespace = 0;  // with MOUNT_ATTR_IDMAP: a descriptor
};

inline int open_tree(int folder, const char* path, unsigned flags) {
    return static_cast<int>(::syscall(SYS_open_tree, folder, path, flags));
}

inline bool move_mount(int tree, int place, unsigned flags) {
    return ::syscall(SYS_move_mount, tree, "", place, "", flags) == 0;
}

inline bool set_mount_attributes(int folder, const char* path, unsigned flags,
                                 const MountAttributes& wanted) {
    return ::syscall(SYS_mount_setattr, folder, path, flags, &wanted, sizeof wanted) == 0;
}

}  // namespace cellblock::sandbox::jail
