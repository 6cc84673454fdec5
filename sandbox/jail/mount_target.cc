// Places in a half-built root.
#include "sandbox/jail/mount_target.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "sandbox/base/syscalls.h"
#include "sandbox/jail/mount_calls.h"

namespace cellblock::sandbox::jail {

namespace {

// The error of making it is told, not that of looking for it where it still isn't.
bool make_folder(int folder, const char* name) {
    if (::mkdirat(folder, name, 0755) == 0 || errno == EEXIST) {
        return true;
    }
    const int error = errno;
    struct stat info {};
    const bool there = ::fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0;
    errno = error;
    return there;
}

bool make_file(int folder, const char* name) {
    return OpenFile(::openat(folder, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644)).valid() ||
           errno == EEXIST;
}

}  // namespace

int open_parent(int root, const char* target, char (&part)[NAME_MAX + 1]) {
    int fd = ::fcntl(root, F_DUPFD_CLOEXEC, 0);
    while (fd >= 0) {
        OpenFile folder(fd);
        const char* slash = std::strchr(target, '/');
        const std::size_t size =
            slash == nullptr ? std::strlen(target) : static_cast<std::size_t>(slash - target);
        if (size == 0 || size > NAME_MAX) {
            errno = ENAMETOOLONG;
            return -1;
        }
        std::memcpy(part, target, size);
        part[size] = '\0';
        if (slash == nullptr) {
            return folder.release();
        }
        if (!make_folder(folder.get(), part)) {
            return -1;
        }
        fd = open_below(folder.get(), part, O_PATH | O_DIRECTORY);
        target = slash + 1;
    }
    return -1;
}

int open_target(int root, const char* target, bool is_file) {
    char part[NAME_MAX + 1];
    const OpenFile folder(open_parent(root, target, part));
    if (!folder.valid()) {
        return -1;
    }
    struct stat info {};
    const bool there = ::fstatat(folder.get(), part, &info, AT_SYMLINK_NOFOLLOW) == 0;
    if (!there && !(is_file ? make_file(folder.get(), part) : make_folder(folder.get(), part))) {
        return -1;
    }
    return open_below(folder.get(), part, O_PATH | (is_file ? 0 : O_DIRECTORY));
}

bool attach(int root, int tree, const char* target, bool is_file) {
    const OpenFile place(open_target(root, target, is_file));
    return place.valid() && move_mount(tree, place.get(), MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

}  // namespace cellblock::sandbox::jail
