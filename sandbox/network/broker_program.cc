// Shut in, then serve.
#include "sandbox/network/broker_program.h"

#include <fcntl.h>
#include <poll.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "sandbox/base/syscalls.h"
#include "sandbox/channel/frame.h"
#include "sandbox/network/broker.h"
#include "sandbox/network/broker_frames.h"

namespace cellblock::sandbox::network {

namespace {

constexpr int kNotShutIn = 3;
constexpr int kBadFrame = 4;
constexpr uid_t kNobody = 65534;
constexpr rlim_t kFiles = 4096;
constexpr rlim_t kMemory = 1ULL << 30;

constexpr auto kCalls = std::to_array<const char*>({"read",
                                                    "readv",
                                                    "pread64",
                                                    "write",
                                                    "writev",
                                                    "recvfrom",
                                                    "recvmsg",
                                                    "recvmmsg",
                                                    "sendto",
                                                    "sendmsg",
                                                    "sendmmsg",
                                                    "accept4",
                                                    "connect",
                                                    "bind",
                                                    "shutdown",
                                                    "getsockopt",
                                                    "setsockopt",
                                                    "getsockname",
                                                    "getpeername",
                                                    "epoll_ctl",
                                                    "epoll_wait",
                                                    "epoll_pwait",
                                                    "epoll_create1",
                                                    "poll",
                                                    "ppoll",
                                                    "select",
                                                    "pselect6",
                                                    "eventfd2",
                                                    "close",
                                                    "fcntl",
                                                    "ioctl",
                                                    "lseek",
                                                    "openat",
                                                    "open",
                                                    "fstat",
                                                    "newfstatat",
                                                    "stat",
                                                    "statx",
                                                    "lstat",
                                                    "access",
                                                    "faccessat",
                                                    "readlink",
                                                    "readlinkat",
                                                    "uname",
                                                    "brk",
                                                    "munmap",
                                                    "mremap",
                                                    "madvise",
                                                    "mprotect",
                                                    "futex",
                                                    "set_robust_list",
                                                    "rseq",
                                                    "clone",
                                                    "clone3",
                                                    "gettid",
                                                    "getpid",
                                                    "getuid",
                                                    "geteuid",
                                                    "getgid",
                                                    "getegid",
                                                    "getrandom",
                                                    "clock_gettime",
                                                    "clock_nanosleep",
                                                    "gettimeofday",
                                                    "time",
                                                    "nanosleep",
                                                    "rt_sigaction",
                                                    "rt_sigprocmask",
                                                    "rt_sigreturn",
                                                    "sigaltstack",
                                                    "sched_yield",
                                                    "sched_getaffinity",
                                                    "prlimit64",
                                                    "restart_syscall",
                                                    "exit",
                                                    "exit_group",
                                                    "tgkill"});

bool filter_calls() {
    const std::unique_ptr<void, decltype(&seccomp_release)> filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)),
                                                                   &seccomp_release);
    if (!filter) {
        return false;
    }
    bool good = seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0;
    for (const char* name : kCalls) {
        if (const int number = seccomp_syscall_resolve_name(name); number != __NR_SCMP_ERROR) {
            good = seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, number, 0, nullptr) == 0 && good;
        }
    }
    // Streams and datagrams of IPv4 and IPv6, and netlink's and Unix sockets, by which libc asks for the
    // interfaces and for a name service on this machine.
    for (const int family : {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK}) {
        const std::array<scmp_arg_cmp, 1> which{
            scmp_arg_cmp{0, SCMP_CMP_EQ, static_cast<scmp_datum_t>(family), 0}};
        good = seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, seccomp_syscall_resolve_name("socket"), 1,
                                      which.data()) == 0 &&
               good;
    }
    // A library that resolves names is mapped at its first use, so files may be executed from memory; new
    // ones can't be written.
    good = seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, seccomp_syscall_resolve_name("mmap"), 0,
                                  nullptr) == 0 &&
           good;
    return good && seccomp_load(filter.get()) == 0;
}

// --- files (linux/landlock.h, whose constants Debian 12's headers have in part)

constexpr std::uint64_t kAllFileRights = (1ULL << 13) - 1;
constexpr std::uint64_t kRead = 1ULL << 0 | 1ULL << 2 | 1ULL << 3;  // execute, read a file, read a folder
constexpr std::uint64_t kReadFile = 1ULL << 0 | 1ULL << 2;
constexpr std::uint64_t kOutside = 0b11;  // abstract sockets, signals: ABI 6

struct Ruleset {
    std::uint64_t files;
    std::uint64_t network;
    std::uint64_t scoped;
};

struct [[gnu::packed]] Beneath {
    std::uint64_t rights;
    std::int32_t folder;
};

bool lock_files() {
    const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, 1U);
    const Ruleset wanted{kAllFileRights | (abi >= 2 ? 1ULL << 13 : 0) | (abi >= 3 ? 1ULL << 14 : 0) |
                             (abi >= 5 ? 1ULL << 15 : 0),
                         0, abi >= 6 ? kOutside : 0};
    const std::size_t size = abi < 4   ? sizeof(std::uint64_t)
                             : abi < 6 ? 2 * sizeof(std::uint64_t)
                                       : sizeof wanted;
    const OpenFile ruleset(
        abi > 0 ? static_cast<int>(::syscall(SYS_landlock_create_ruleset, &wanted, size, 0U)) : -1);
    if (!ruleset.valid()) {
        return false;
    }
    for (const char* path :
         {"/usr", "/lib", "/lib64", "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf",
          "/etc/gai.conf", "/etc/services", "/etc/ld.so.cache", "/etc/localtime", "/run/systemd/resolve",
          "/run/resolvconf", "/run/NetworkManager", "/run/nscd", "/proc/sys/net",
          "/sys/devices/system/cpu"}) {
        const OpenFile place(::open(path, O_PATH | O_CLOEXEC));
        struct stat info {};
        if (!place.valid() || ::fstat(place.get(), &info) != 0) {
            continue;
        }
        const Beneath rule{S_ISDIR(info.st_mode) ? kRead : kReadFile, place.get()};
        if (::syscall(SYS_landlock_add_rule, ruleset.get(), 1, &rule, 0U) != 0) {
            return false;
        }
    }
    return ::syscall(SYS_landlock_restrict_self, ruleset.get(), 0U) == 0;
}

bool limit(int resource, rlim_t value) {
    rlimit now{};
    ::getrlimit(static_cast<__rlimit_resource_t>(resource), &now);
    const rlimit wanted{std::min(value, now.rlim_max), std::min(value, now.rlim_max)};
    return ::setrlimit(static_cast<__rlimit_resource_t>(resource), &wanted) == 0;
}

bool shut_in() {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::prctl(PR_SET_DUMPABLE, 0);
    const OpenFile null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    for (const int standard : {STDOUT_FILENO, STDERR_FILENO}) {
        if (::dup2(null.get(), standard) < 0) {  // whatever the host writes there isn't this process's
            return false;
        }
    }
    std::ofstream("/proc/self/oom_score_adj") << "800";
    const bool limited = limit(RLIMIT_NOFILE, kFiles) && limit(RLIMIT_CORE, 0) && limit(RLIMIT_FSIZE, 0) &&
                         limit(RLIMIT_MEMLOCK, 0) && limit(RLIMIT_DATA, kMemory);
    if (!limited || (::geteuid() == 0 && !become(kNobody, kNobody))) {
        return false;
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a change of user has undone it
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && lock_files() && filter_calls();
}

}  // namespace

int serve_broker(UniqueFd host, UniqueFd listener) {
    ::setenv("LOCALDOMAIN", "", 1);  // names are whole: no search list is asked
    if (!shut_in()) {
        return kNotShutIn;
    }
    FrameReader reader(kBrokerBounds);
    Frame frame;
    while (true) {
        const auto state = reader.read(host.get(), frame);
        if (!state || *state == ReadState::end_of_file) {
            return state ? 0 : kBadFrame;
        }
        if (*state == ReadState::frame) {
            break;
        }
        pollfd waiting{host.get(), POLLIN, 0};
        ::poll(&waiting, 1, -1);
    }
    auto rules = decode_network_rules(frame);
    if (!rules) {
        return kBadFrame;
    }
    Broker broker(std::move(*rules), std::move(listener), [&host](const ConnectionReport& report) {
        const std::string bytes = encode_connection(report);
        // A host that doesn't read any more has ended, or will end this.
        (void)::send(host.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    });
    broker.serve(host.get());
    return 0;
}

}  // namespace cellblock::sandbox::network
