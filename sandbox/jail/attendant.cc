// The attendant's process.
#include "sandbox/jail/attendant.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "sandbox/base/children.h"
#include "sandbox/base/socket.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/jail/attendant_word.h"
#include "sandbox/jail/enter.h"
#include "sandbox/jail/mount_calls.h"
#include "sandbox/jail/mount_target.h"
#include "sandbox/jail/privileges.h"
#include "sandbox/jail/sources.h"
#include "sandbox/jail/spawn.h"

namespace cellblock::sandbox::jail {

namespace {

// Every host has it; it is covered in a mount namespace of the attendant's own.
constexpr const char* kSite = "/usr";
constexpr unsigned kPatience = 60;  // seconds
constexpr const char* kStep = "start a sandbox";

Failure failed(Step step, std::size_t index = 0) {
    return {step, static_cast<std::int32_t>(index), errno != 0 ? errno : EIO};
}

class Sender {
public:
    explicit Sender(int socket) : socket_(socket) {}

    void add(int fd, std::int32_t place) {
        if (word_.count == kMaxDescriptors) {
            flush();
        }
        word_.place[word_.count] = place;
        descriptors_[word_.count++] = fd;
    }

    void end(const Failure& failure) {
        word_.failure = failure;
        word_.is_last = 1;
        flush();
    }

private:
    void flush() {
        // The buffer has room for all words together. If it hasn't, the jail hears of the attendant's end
        // instead.
        (void)send_with_descriptors(socket_, {reinterpret_cast<const char*>(&word_), sizeof word_},
                                    {descriptors_.data(), word_.count});
        word_ = {};
    }

    int socket_;
    AttendantWord word_;
    std::array<int, kMaxDescriptors> descriptors_{};
};

bool has_outside(const JailPlan& plan) {
    return std::any_of(plan.files.begin(), plan.files.end(),
                       [](const FileStep& step) { return step.outside; });
}

// To the user 1000 of a new user namespace.
bool map_itself(uid_t user, gid_t group) {
    const auto map = [](const char* file, unsigned outside) {
        char line[48];
        const int size = std::snprintf(line, sizeof line, "%u %u 1\n", kInsideId, outside);
        return write_file(file, line, static_cast<std::size_t>(size));
    };
    return write_file("/proc/self/setgroups", "deny", 4) && map("/proc/self/gid_map", group) &&
           map("/proc/self/uid_map", user);
}

// A mount namespace in which the attendant may make and change mounts.
bool own_mounts(const Identity& identity) {
    return (identity.has_own_user()
                ? ::unshare(CLONE_NEWNS) == 0
                : ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && map_itself(identity.user, identity.group)) &&
           ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

// Attaches the sources at numbered places.
Failure place_sources(const JailPlan& plan) {
    if (::mount("tmpfs", kSite, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,nr_inodes=4096,mode=0755") != 0) {
        return failed(Step::base_filesystem);
    }
    const OpenFile site(::open(kSite, O_PATH | O_DIRECTORY | O_CLOEXEC));
    for (std::size_t i = 0; i < plan.files.size(); ++i) {
        char number[24];
        std::snprintf(number, sizeof number, "%zu", i);
        const FileStep& step = plan.files[i];
        if (step.outside && plan.sources[i] >= 0 &&
            !attach(site.get(), plan.sources[i], number, step.is_file)) {
            return failed(Step::open_source, i);
        }
    }
    return {};
}

// In a mount namespace that belongs to another user namespace than the one before, so that Linux has locked
// what the mounts forbid.
Failure reopen_sources(const JailPlan& plan) {
    for (std::size_t i = 0; i < plan.files.size(); ++i) {
        if (!plan.files[i].outside || plan.sources[i] < 0) {
            continue;
        }
        char path[32];
        std::snprintf(path, sizeof path, "%s/%zu", kSite, i);
        ::close(plan.sources[i]);
        plan.sources[i] = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
        if (plan.sources[i] < 0) {
            return failed(Step::open_source, i);
        }
    }
    return {};
}

// The number of the process that asks, as this process sees it. 0: it doesn't ask.
pid_t await_hello(int socket) {
    char byte = 0;
    iovec part{&byte, 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(ucred)) + kControlBytes> control{};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    ssize_t size = 0;
    do {
        size = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
    } while (size < 0 && errno == EINTR);
    for (cmsghdr* one = CMSG_FIRSTHDR(&header); size == 1 && byte == kAttendantHello && one != nullptr;
         one = CMSG_NXTHDR(&header, one)) {
        if (one->cmsg_level == SOL_SOCKET && one->cmsg_type == SCM_CREDENTIALS) {
            ucred sender{};
            std::memcpy(&sender, CMSG_DATA(one), sizeof sender);
            return sender.pid;
        }
    }
    return 0;
}

Failure write_maps(const Identity& identity, pid_t process) {
    char path[32];
    std::snprintf(path, sizeof path, "/proc/%d/gid_map", process);
    bool written = write_file(path, identity.first_group_map.data(), identity.first_group_map.size());
    std::snprintf(path, sizeof path, "/proc/%d/uid_map", process);
    written = written && write_file(path, identity.first_user_map.data(), identity.first_user_map.size());
    return written ? Failure{} : failed(Step::map_user);
}

Failure join_groups(const JailPlan& plan, pid_t process) {
    if (const auto failure = join_by_number(plan, process); failure.happened()) {
        return failure;
    }
    for (std::size_t i = 0; i < plan.cgroup_files.size(); ++i) {
        if (is_tasks(plan.cgroup_files[i])) {
            plan.cgroup_descriptors[i] = ::open(plan.cgroup_files[i].c_str(), O_WRONLY | O_CLOEXEC);
            if (plan.cgroup_descriptors[i] < 0) {
                return failed(Step::join_cgroup, i);
            }
        }
    }
    return {};
}

// Enters the user namespace in which the process's is to be mapped, with a mount namespace that belongs to
// it; or, for the caller's own user, any other one.
bool leave_power(const JailPlan& plan, int user_namespace) {
    return plan.identity.mapped_by_attendant
               ? ::setns(user_namespace, CLONE_NEWUSER) == 0 && ::unshare(CLONE_NEWNS) == 0
               : ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
}

Failure serve(const JailPlan& plan, int socket, int user_namespace) {
    const bool locks = has_outside(plan) && (user_namespace >= 0 || !plan.identity.mapped_by_attendant);
    if (has_outside(plan) && !own_mounts(plan.identity)) {
        return failed(Step::private_mounts);
    }
    if (const auto failure = open_sources(plan, true); failure.happened()) {
        return failure;
    }
    if (const auto failure = locks ? place_sources(plan) : Failure{}; failure.happened()) {
        return failure;
    }
    const pid_t process = await_hello(socket);
    if (process <= 0) {
        ::_exit(0);
    }
    if (const auto failure = join_groups(plan, process); failure.happened()) {
        return failure;
    }
    if ((locks || user_namespace >= 0) && !leave_power(plan, user_namespace)) {
        return failed(Step::private_mounts);
    }
    if (const auto failure = locks ? reopen_sources(plan) : Failure{}; failure.happened()) {
        return failure;
    }
    return plan.identity.mapped_by_attendant ? write_maps(plan.identity, process) : Failure{};
}

void send_all(const JailPlan& plan, Sender& sender) {
    for (std::size_t i = 0; i < plan.cgroup_descriptors.size(); ++i) {
        if (plan.cgroup_descriptors[i] >= 0) {
            sender.add(plan.cgroup_descriptors[i], ~static_cast<std::int32_t>(i));
        }
    }
    for (std::size_t i = 0; i < plan.files.size(); ++i) {
        if (plan.files[i].outside && plan.sources[i] >= 0) {
            sender.add(plan.sources[i], static_cast<std::int32_t>(i));
        }
    }
}

[[noreturn]] void attend(const JailPlan& plan, int socket, int user_namespace) {
    int keep[] = {socket, user_namespace};
    close_all_but(keep);
    default_signals();
    ::prctl(PR_SET_NAME, "cellblock-attend", 0, 0, 0);
    ::alarm(kPatience);
    Sender sender(socket);
    const Failure failure = serve(plan, socket, user_namespace);
    if (!failure.happened()) {
        send_all(plan, sender);
    }
    sender.end(failure);
    ::_exit(failure.happened() ? 1 : 0);
}

}  // namespace

Result<UniqueFd> start_attendant(const JailPlan& plan, int user_namespace) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto sockets, socket_pair(SOCK_SEQPACKET));
    const int yes = 1;
    if (::setsockopt(sockets.ours.get(), SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) != 0) {
        return errno_error(kStep);
    }
    const pid_t attendant = ::_Fork();
    if (attendant == 0) {
        attend(plan, sockets.ours.get(), user_namespace);
    }
    if (attendant < 0) {
        return errno_error(kStep, "The limit on processes may be reached");
    }
    collect_later(attendant);
    return std::move(sockets.theirs);
}

}  // namespace cellblock::sandbox::jail
