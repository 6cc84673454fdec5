// System calls that libc has no function for, or no plain one, and small functions around them.
//
// Safe after fork: nothing here allocates, locks or throws. Errors as errno.
#pragma once

#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4U
#endif

namespace cellblock::sandbox {

// A descriptor for as long as a step takes. Closing it keeps errno, which is what the host is told of a step
// that failed.
class OpenFile {
public:
    explicit OpenFile(int fd) : fd_(fd) {}
    OpenFile(const OpenFile&) = delete;
    OpenFile& operator=(const OpenFile&) = delete;
    ~OpenFile() {
        const int error = errno;
        if (fd_ >= 0) {
            ::close(fd_);
        }
        errno = error;
    }

    [[nodiscard]] int get() const { return fd_; }
    [[nodiscard]] bool valid() const { return fd_ >= 0; }
    [[nodiscard]] int release() { return std::exchange(fd_, -1); }

private:
    int fd_;
};

// Opens below `root` without ever following a link: what a folder of the user's
// says must not lead the jail's builder, who may be root, to other places.
// `resolve`: further RESOLVE_… flags.
inline int open_below(int root, const char* path, int flags, std::uint64_t resolve = 0) {
    open_how how{};
    how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | resolve;
    return static_cast<int>(::syscall(SYS_openat2, root, path, &how, sizeof how));
}

inline bool write_all(int fd, const char* data, std::size_t size) {
    while (size > 0) {
        const ssize_t written = ::write(fd, data, size);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return false;
        }
        data += written;
        size -= static_cast<std::size_t>(written);
    }
    return true;
}

// libc's own setresuid and its kin wait for every thread that it believes there
// is, and after a fork from a program with threads it believes in ghosts.
inline bool become(uid_t user, gid_t group) {
    return ::syscall(SYS_setgroups, 0, nullptr) == 0 && ::syscall(SYS_setresgid, group, group, group) == 0 &&
           ::syscall(SYS_setresuid, user, user, user) == 0;
}

inline void pause_for(long milliseconds) {
    const timespec time{milliseconds / 1000, milliseconds % 1000 * 1000000};
    ::nanosleep(&time, nullptr);
}

// As close_range(2), which glibc has a function for since 2.34 only.
inline int close_range(unsigned first, unsigned last, unsigned flags) {
    return static_cast<int>(::syscall(SYS_close_range, first, last, flags));
}

// Closes all other descriptors. Sorts `keep`; -1 in it stands for no descriptor.
template <std::size_t kCount>
void close_all_but(int (&keep)[kCount]) {
    std::sort(std::begin(keep), std::end(keep));
    unsigned next = 0;
    for (const int fd : keep) {
        if (fd < 0) {
            continue;
        }
        if (static_cast<unsigned>(fd) > next) {
            close_range(next, static_cast<unsigned>(fd) - 1, 0);
        }
        next = static_cast<unsigned>(fd) + 1;
    }
    close_range(next, ~0U, 0);
}

// As fork, but into new namespaces (CLONE_NEW…). `thread_id`: as libc's fork, writes the child's number
// there. With CLONE_PARENT the child is the caller's parent's.
inline pid_t clone_into(unsigned long long flags, int& pidfd, int* thread_id = nullptr) {
    clone_args arguments{};
    arguments.flags = flags | CLONE_PIDFD;
    arguments.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
    arguments.exit_signal = (flags & CLONE_PARENT) != 0 ? 0 : SIGCHLD;
    if (thread_id != nullptr) {
        arguments.flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
        arguments.child_tid = reinterpret_cast<std::uintptr_t>(thread_id);
    }
    return static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
}

// So that nothing of what the program before did with signals is left.
inline void default_signals() {
    struct sigaction plain {};
    plain.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; ++number) {
        ::sigaction(number, &plain, nullptr);
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Writes the data by one write(2), as files of proc and cgroup need it.
inline bool write_file(const char* path, const char* data, std::size_t size) {
    const OpenFile file(::open(path, O_WRONLY | O_CLOEXEC));
    return file.valid() && ::write(file.get(), data, size) == static_cast<ssize_t>(size);
}

// Removes an empty control group. Its last processes may still be on their way out, so the kernel can say for
// a moment that the group is busy.
inline bool remove_empty_cgroup(const char* folder, int attempts) {
    constexpr long kPause = 5;  // milliseconds
    while (::rmdir(folder) != 0) {
        if (errno != EBUSY || --attempts <= 0) {
            return false;
        }
        pause_for(kPause);
    }
    return true;
}

}  // namespace cellblock::sandbox
