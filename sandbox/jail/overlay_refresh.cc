// The fork that joins the jail, and what it tells.
#include "sandbox/jail/overlay_refresh.h"

#include <linux/magic.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>

#include "sandbox/api/unique_fd.h"
#include "sandbox/base/children.h"
#include "sandbox/base/pipe.h"
#include "sandbox/base/syscalls.h"

namespace cellblock::sandbox::jail {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kTime{2};  // a folder that lies on another machine may hang
constexpr const char* kStep = "show what the host has changed";

// Enters the jail's mounts with the power of their owner, who is nobody outside of it.
bool join(int mounts) {
    const OpenFile owner(::ioctl(mounts, NS_GET_USERNS));
    const OpenFile own(::open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC));
    struct stat of_jail {};
    struct stat ours {};
    if (!owner.valid() || !own.valid() || ::fstat(owner.get(), &of_jail) != 0 ||
        ::fstat(own.get(), &ours) != 0) {
        return false;
    }
    const bool is_ours = of_jail.st_ino == ours.st_ino && of_jail.st_dev == ours.st_dev;
    return (is_ours || ::setns(owner.get(), CLONE_NEWUSER) == 0) && ::setns(mounts, CLONE_NEWNS) == 0;
}

bool refresh(const char* overlay) {
    struct statfs system {};
    if (::statfs(overlay, &system) != 0 || system.f_type != OVERLAYFS_SUPER_MAGIC) {
        return false;
    }
    return ::mount(nullptr, overlay, nullptr, MS_REMOUNT | MS_NOSUID | MS_NODEV, nullptr) == 0;
}

// After a fork: one number, an errno, and if that is 0 one SeenFile for each file.
[[noreturn]] void work(int mounts, const std::vector<std::string>& overlays,
                       const std::vector<std::string>& files, int pipe) {
    // This process has the host's descriptors, which hold the jail. A change of credentials may undo the
    // call.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    int error = join(mounts) ? 0 : errno;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    for (std::size_t i = 0; i < overlays.size() && error == 0; ++i) {
        error = refresh(overlays[i].c_str()) ? 0 : errno;
    }
    (void)write_all(pipe, reinterpret_cast<const char*>(&error), sizeof error);
    const int root = ::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (std::size_t i = 0; i < files.size() && error == 0; ++i) {
        SeenFile seen;
        struct stat info {};
        // Not by links, which may be a cell's.
        const OpenFile file(open_below(root, files[i].c_str() + 1, O_PATH));
        if (file.valid() && ::fstat(file.get(), &info) == 0) {
            seen = {true, static_cast<std::uint64_t>(info.st_size), info.st_mtim};
        }
        (void)write_all(pipe, reinterpret_cast<const char*>(&seen), sizeof seen);
    }
    ::_exit(0);
}

// False: the end, or too late.
bool read_whole(int fd, char* to, std::size_t size, Clock::time_point until) {
    while (size > 0) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
        pollfd wanted{fd, POLLIN, 0};
        if (left.count() <= 0 || ::poll(&wanted, 1, static_cast<int>(left.count())) < 0) {
            return false;
        }
        const ssize_t got = wanted.revents != 0 ? ::read(fd, to, size) : 0;
        if (got <= 0) {
            return false;
        }
        to += got;
        size -= static_cast<std::size_t>(got);
    }
    return true;
}

}  // namespace

Result<std::vector<SeenFile>> refresh_overlays(int mounts, const std::vector<std::string>& overlays,
                                               const std::vector<std::string>& files) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto pipe, make_pipe(kStep));
    const pid_t child = ::_Fork();
    if (child == 0) {
        work(mounts, overlays, files, pipe.write.get());
    }
    if (child < 0) {
        return errno_error(kStep);
    }
    pipe.write.reset();
    const auto until = Clock::now() + kTime;
    int error = 0;
    std::vector<SeenFile> seen(files.size());
    const bool told = read_whole(pipe.read.get(), reinterpret_cast<char*>(&error), sizeof error, until) &&
                      error == 0 &&
                      read_whole(pipe.read.get(), reinterpret_cast<char*>(seen.data()),
                                 seen.size() * sizeof(SeenFile), until);
    ::kill(child, SIGKILL);
    if (told) {
        while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
        }
    } else {
        collect_later(child);  // it may hang in the folder
    }
    collect_ended();
    if (!told) {
        return Error{kStep, error, error == 0 ? "it takes too long" : "", {}};
    }
    return seen;
}

}  // namespace cellblock::sandbox::jail
