// Places in a half-built root.
#include "sandbox/jail/places.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "sandbox/jail/calls.h"

namespace cellblock::sandbox::jail {

int open_parent(int root, const char* target, char (&part)[NAME_MAX + 1]) {
    int folder = ::fcntl(root, F_DUPFD_CLOEXEC, 0);
    while (folder >= 0) {
        const char* slash = std::strchr(target, '/');
        const std::size_t size =
            slash == nullptr ? std::strlen(target) : static_cast<std::size_t>(slash - target);
        if (size == 0 || size > NAME_MAX) {
            errno = ENAMETOOLONG;
            break;
        }
        std::memcpy(part, target, size);
        part[size] = '\0';
        if (slash == nullptr) {
            return folder;
        }
        if (::mkdirat(folder, part, 0755) != 0 && errno != EEXIST) {
            const int error = errno;
            struct stat info {};
            if (::fstatat(folder, part, &info, AT_SYMLINK_NOFOLLOW) != 0) {
                errno = error;
                break;
            }
        }
        const int next = open_below(folder, part, O_PATH | O_DIRECTORY);
        const int error = errno;
        ::close(folder);
        errno = error;
        folder = next;
        target = slash + 1;
    }
    if (folder >= 0) {
        const int error = errno;
        ::close(folder);
        errno = error;
    }
    return -1;
}

int open_target(int root, const char* target, bool is_file) {
    char part[NAME_MAX + 1];
    const int folder = open_parent(root, target, part);
    if (folder < 0) {
        return -1;
    }
    struct stat info {};
    if (::fstatat(folder, part, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        if (is_file) {
            const int made = ::openat(folder, part, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
            ::close(made);
        } else {
            ::mkdirat(folder, part, 0755);
        }
    }
    const int fd = open_below(folder, part, O_PATH | (is_file ? 0 : O_DIRECTORY));
    const int error = errno;
    ::close(folder);
    errno = error;
    return fd;
}

bool attach(int root, int tree, const char* target, bool is_file) {
    const int place = open_target(root, target, is_file);
    if (place < 0) {
        return false;
    }
    const bool done =
        ::move_mount(tree, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0;
    const int error = errno;
    ::close(place);
    errno = error;
    return done;
}

}  // namespace cellblock::sandbox::jail
