// Detached mounts.
#include "sandbox/jail/sources.h"

#include <fcntl.h>

#include <cerrno>

#include "sandbox/base/syscalls.h"
#include "sandbox/jail/id_mapping.h"
#include "sandbox/jail/mount_calls.h"

namespace cellblock::sandbox::jail {

namespace {

bool is_source(const FileStep& step) {
    return step.kind == FileStepKind::bind || step.kind == FileStepKind::overlay;
}

}  // namespace

bool restrict_mount(int fd, std::uint64_t attributes, bool recursive) {
    const unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
    return set_mount_attributes(fd, "", flags, {.set = attributes});
}

Failure open_sources(const JailPlan& plan, bool outside) {
    for (std::size_t i = 0; i < plan.files.size(); ++i) {
        const FileStep& step = plan.files[i];
        if (!is_source(step) || step.outside != outside) {
            continue;
        }
        const int fd = open_tree(AT_FDCWD, step.source.c_str(),
                                 OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);
        if (fd < 0 && step.optional) {
            continue;
        }
        const std::uint64_t attributes = step.device
                                             ? MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC
                                             : MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
        if (fd < 0 || !restrict_mount(fd, attributes, true)) {
            return {Step::open_source, static_cast<std::int32_t>(i), errno != 0 ? errno : EIO};
        }
        if (!step.user_map.empty()) {
            (void)show_owner_as_jail_user(fd, step, plan.identity);
        }
        plan.sources[i] = fd;
    }
    return {};
}

}  // namespace cellblock::sandbox::jail
