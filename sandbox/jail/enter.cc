// Walking into a jail.
#include "sandbox/jail/enter.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "sandbox/base/syscalls.h"
#include "sandbox/jail/attendant.h"
#include "sandbox/jail/privileges.h"
#include "sandbox/jail/rootfs.h"

namespace cellblock::sandbox::jail {

namespace {

constexpr int kWardenDescriptor = 3;

Failure failed(Step step, std::size_t index = 0) {
    return {step, static_cast<std::int32_t>(index), errno != 0 ? errno : EIO};
}

Failure join(const JailPlan& plan, bool by_tasks, pid_t process) {
    char number[16];
    const int size = std::snprintf(number, sizeof number, "%d", process);
    for (std::size_t i = 0; i < plan.cgroup_files.size(); ++i) {
        const auto& file = plan.cgroup_files[i];
        if (is_tasks(file) != by_tasks) {
            continue;
        }
        const bool joined =
            by_tasks && plan.nested
                ? ::write(plan.cgroup_descriptors[i], number, static_cast<std::size_t>(size)) == size
                : write_file(file.c_str(), number, static_cast<std::size_t>(size));
        if (!joined) {
            return failed(Step::join_cgroup, i);
        }
    }
    return {};
}

Failure own_cgroup_namespace() {
    return ::unshare(CLONE_NEWCGROUP) == 0 ? Failure{} : failed(Step::cgroup_namespace);
}

// The parent joins some cgroups for us. (For a nested jail its attendant has.)
Failure await_cgroups(const JailDescriptors& descriptors) {
    char told = 0;
    ssize_t size = 0;
    do {
        size = ::read(descriptors.parent, &told, 1);
    } while (size < 0 && errno == EINTR);
    if (size != 1 || told != kJoined) {
        errno = ESRCH;
        return failed(Step::parent_gone);
    }
    return own_cgroup_namespace();
}

// With a name of the host's own.
Failure begin_session() {
    constexpr char kName[] = "cellblock";
    ::setsid();
    ::umask(022);
    return ::sethostname(kName, sizeof kName - 1) == 0 && ::setdomainname("", 0) == 0
               ? Failure{}
               : failed(Step::host_name);
}

Failure raise_loopback() {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    const bool up = fd >= 0 && ::ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    const Failure failure = up ? Failure{} : failed(Step::loopback);
    ::close(fd);
    return failure;
}

Failure listen_on_loopback(const JailPlan& plan) {
    constexpr int kWaiting = 128;
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_port = htons(kProxyPort);
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    plan.listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const bool listens =
        plan.listener >= 0 &&
        ::bind(plan.listener, reinterpret_cast<const sockaddr*>(&place), sizeof place) == 0 &&
        ::listen(plan.listener, kWaiting) == 0;
    return listens ? Failure{} : failed(Step::listen);
}

// Where no cgroup bounds memory: a connection's two buffers together hold what bytes_of_socket() counts. Not
// every kernel or container lets a network namespace have its own; the watch counts sockets all the same.
void lower_buffers() {
    constexpr char kSizes[] = "4096 16384 106496";
    for (const char* file : {"/proc/sys/net/ipv4/tcp_rmem", "/proc/sys/net/ipv4/tcp_wmem"}) {
        (void)write_file(file, kSizes, sizeof kSizes - 1);
    }
}

Failure set_streams(const JailDescriptors& descriptors) {
    const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || ::dup2(null, 0) < 0 || ::dup2(descriptors.output, 1) < 0 ||
        ::dup2(descriptors.output, 2) < 0 || ::dup2(descriptors.warden, kWardenDescriptor) < 0 ||
        close_range(kWardenDescriptor + 1, ~0U, CLOSE_RANGE_CLOEXEC) != 0) {
        return failed(Step::standard_streams);
    }
    return {};
}

// From here on the parent's death is ours. It may have died a moment ago.
Failure watch_parent(const JailDescriptors& descriptors) {
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) {
        return failed(Step::watch_parent);
    }
    pollfd parent{descriptors.parent, POLLIN, 0};
    if (::poll(&parent, 1, 0) != 0 && (parent.revents & ~POLLIN) != 0) {
        errno = ESRCH;
        return failed(Step::parent_gone);
    }
    return {};
}

// The user in the namespaces that the process was cloned into.
Failure take_first_user(const JailPlan& plan, const JailDescriptors& descriptors) {
    if (plan.nested) {
        if (const auto failure = ask_attendant(plan, descriptors.attendant); failure.happened()) {
            return failure;
        }
    }
    if (plan.identity.privileged) {
        return {};
    }
    if (const auto failure =
            plan.identity.mapped_by_attendant ? become_inside_user() : map_first_user(plan.identity);
        failure.happened()) {
        return failure;
    }
    if (!plan.filter_options.makes_jails) {
        limit_user_namespaces();
    }
    return {};
}

Failure give_up_capabilities(const JailPlan& plan) {
    if (const auto failure = set_limits(plan); failure.happened()) {
        return failure;
    }
    return ::chdir(plan.working_directory.c_str()) == 0 ? drop_capabilities()
                                                        : failed(Step::working_directory);
}

Failure give_up_power(const JailPlan& plan, const JailDescriptors& descriptors) {
    if (const auto failure = enter_last_user_namespace(plan.identity); failure.happened()) {
        return failure;
    }
    if (const auto failure = give_up_capabilities(plan); failure.happened()) {
        return failure;
    }
    // A change of user or capabilities has undone it.
    if (const auto failure = watch_parent(descriptors); failure.happened()) {
        return failure;
    }
    if (const auto failure = lock_files(plan.landlock); failure.happened()) {
        return failure;
    }
    return apply_filter(plan);
}

}  // namespace

unsigned long long jail_namespaces(const Identity& identity, bool host_network) {
    return CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | (host_network ? 0ULL : CLONE_NEWNET) |
           (identity.privileged ? 0ULL : CLONE_NEWUSER);
}

bool is_tasks(const std::string& file) {
    return file.ends_with("/tasks");
}

Failure join_by_itself(const JailPlan& plan) {
    return join(plan, true, 0);
}

Failure join_by_number(const JailPlan& plan, pid_t process) {
    return join(plan, false, process);
}

Failure enter(const JailPlan& plan, const JailDescriptors& descriptors) {
    if (const auto failure = watch_parent(descriptors); failure.happened()) {
        return failure;
    }
    if (const auto failure = take_first_user(plan, descriptors); failure.happened()) {
        return failure;
    }
    if (const auto failure = join_by_itself(plan); failure.happened()) {
        return failure;
    }
    if (const auto failure = begin_session(); failure.happened()) {
        return failure;
    }
    if (const auto failure = plan.host_network ? Failure{} : raise_loopback(); failure.happened()) {
        return failure;
    }
    if (plan.listens) {
        if (const auto failure = listen_on_loopback(plan); failure.happened()) {
            return failure;
        }
    }
    if (!plan.filter_options.memory_is_limited && !plan.host_network) {
        lower_buffers();
    }
    if (const auto failure = build_root(plan); failure.happened()) {
        return failure;
    }
    if (const auto failure = await_cgroups(descriptors); failure.happened()) {
        return failure;
    }
    if (const auto failure = set_streams(descriptors); failure.happened()) {
        return failure;
    }
    return give_up_power(plan, descriptors);
}

Failure enter_as_keeper(const JailPlan& plan, const JailDescriptors& descriptors) {
    if (const auto failure = take_first_user(plan, descriptors); failure.happened()) {
        return failure;
    }
    if (const auto failure = begin_session(); failure.happened()) {
        return failure;
    }
    if (const auto failure = build_root(plan); failure.happened()) {
        return failure;
    }
    if (const auto failure = own_cgroup_namespace(); failure.happened()) {
        return failure;
    }
    if (const auto failure = set_streams(descriptors); failure.happened()) {
        return failure;
    }
    const auto failure = give_up_capabilities(plan);
    return failure.happened() ? failure : apply_filter(plan);
}

Failure enter_without_namespaces(const JailPlan& plan, const JailDescriptors& descriptors) {
    if (const auto failure = watch_parent(descriptors); failure.happened()) {
        return failure;
    }
    if (const auto failure = join_by_itself(plan); failure.happened()) {
        return failure;
    }
    if (const auto failure = join_by_number(plan); failure.happened()) {
        return failure;
    }
    ::setsid();
    ::umask(022);
    if (const auto failure = set_streams(descriptors); failure.happened()) {
        return failure;
    }
    if (const auto failure = set_limits(plan); failure.happened()) {
        return failure;
    }
    if (const auto failure = become_user_without_namespaces(plan.identity); failure.happened()) {
        return failure;
    }
    if (::chdir(plan.working_directory.c_str()) != 0) {
        return failed(Step::working_directory);
    }
    // A change of user has undone it.
    if (const auto failure = watch_parent(descriptors); failure.happened()) {
        return failure;
    }
    // Without a PID namespace orphans come to the warden by this.
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
        return failed(Step::watch_parent);
    }
    if (const auto failure = lock_files(plan.landlock); failure.happened()) {
        return failure;
    }
    return apply_filter(plan);
}

}  // namespace cellblock::sandbox::jail
