// The broker's process: its walls, then its work.
#include "sandbox/network/broker_program.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/base/syscalls.h"
#include "sandbox/channel/frame.h"
#include "sandbox/jail/landlock.h"
#include "sandbox/network/broker.h"
#include "sandbox/network/broker_frames.h"

namespace cellblock::sandbox::network {

namespace {

constexpr int kNotShutIn = 3;
constexpr int kBadFrame = 4;
constexpr int kNoTls = 5;
constexpr uid_t kNobody = 65534;
constexpr rlim_t kFiles = 4096;

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
                                                    "mmap",
                                                    "futex",
                                                    "set_robust_list",
                                                    "rseq",
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
                                                    "restart_syscall",
                                                    "exit",
                                                    "exit_group"});

#if defined(CELLBLOCK_SANITIZE)
// UBSan asks by a pipe whether an object's type may be read, and ASan's shadow takes all the memory there is.
constexpr auto kCallsOfSanitizers = std::to_array<const char*>({"pipe2"});
constexpr rlim_t kMemory = RLIM_INFINITY;
#else
constexpr std::array<const char*, 0> kCallsOfSanitizers{};
constexpr rlim_t kMemory = 2ULL << 30;  // each of 1,024 connections may hold a MiB
#endif

class Filter {
public:
    Filter() : filter_(seccomp_init(SCMP_ACT_ERRNO(EPERM)), &seccomp_release) {
        good_ =
            filter_ && seccomp_attr_set(filter_.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0;
    }

    void allow(const char* name, std::initializer_list<scmp_arg_cmp> arguments = {}) {
        add(SCMP_ACT_ALLOW, name, arguments);
    }
    void refuse(const char* name, int error) { add(SCMP_ACT_ERRNO(static_cast<unsigned>(error)), name, {}); }
    [[nodiscard]] bool load() const { return good_ && seccomp_load(filter_.get()) == 0; }

private:
    void add(std::uint32_t action, const char* name, std::initializer_list<scmp_arg_cmp> arguments) {
        const int number = good_ ? seccomp_syscall_resolve_name(name) : __NR_SCMP_ERROR;
        if (number != __NR_SCMP_ERROR) {
            good_ = seccomp_rule_add_array(filter_.get(), action, number,
                                           static_cast<unsigned>(arguments.size()), arguments.begin()) == 0;
        }
    }

    std::unique_ptr<void, decltype(&seccomp_release)> filter_;
    bool good_ = false;
};

bool filter_calls() {
    // Threads, and no namespaces; clone3 has its flags in memory, where no filter sees them, and libc does
    // without.
    constexpr scmp_datum_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                         CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
    constexpr scmp_datum_t kThread = CLONE_VM | CLONE_THREAD;
    constexpr scmp_datum_t kKind = 0xf;  // of a socket, without its flags
    Filter filter;
    for (const char* name : kCalls) {
        filter.allow(name);
    }
    for (const char* name : kCallsOfSanitizers) {
        filter.allow(name);
    }
    filter.allow("clone", {{0, SCMP_CMP_MASKED_EQ, kNamespaces | kThread, kThread}});
    filter.refuse("clone3", ENOSYS);
    // Netlink tells libc of the interfaces. No Unix sockets: Landlock doesn't keep anybody from those that
    // listen in the user's folders.
    for (const int family : {AF_INET, AF_INET6}) {
        for (const int kind : {SOCK_STREAM, SOCK_DGRAM}) {
            filter.allow("socket", {{0, SCMP_CMP_EQ, static_cast<scmp_datum_t>(family), 0},
                                    {1, SCMP_CMP_MASKED_EQ, kKind, static_cast<scmp_datum_t>(kind)}});
        }
    }
    filter.allow("socket", {{0, SCMP_CMP_EQ, AF_NETLINK, 0}, {2, SCMP_CMP_EQ, NETLINK_ROUTE, 0}});
    filter.allow("ioctl", {{1, SCMP_CMP_EQ, FIONREAD, 0}});
    filter.allow("prlimit64", {{0, SCMP_CMP_EQ, 0, 0}});
    return filter.load();
}

// The process keeps the files that resolving a name reads, and those that say whom TLS trusts.
bool lock_files() {
    std::vector<std::string> places{"/usr",
                                    "/lib",
                                    "/lib64",
                                    "/etc/resolv.conf",
                                    "/etc/hosts",
                                    "/etc/nsswitch.conf",
                                    "/etc/host.conf",
                                    "/etc/gai.conf",
                                    "/etc/services",
                                    "/etc/ld.so.cache",
                                    "/etc/localtime",
                                    "/run/systemd/resolve",
                                    "/run/resolvconf",
                                    "/run/NetworkManager",
                                    "/run/nscd",
                                    "/proc/sys/net",
                                    "/sys/devices/system/cpu",
                                    "/etc/ssl/certs",
                                    "/etc/ssl/cert.pem",
                                    "/etc/pki",
                                    "/etc/ca-certificates"};
    for (const char* variable : kTrustVariables) {
        if (const char* place = std::getenv(variable); place != nullptr && *place == '/') {
            places.emplace_back(place);
        }
    }
    const auto plan = jail::plan_landlock_to_read(places, jail::landlock_abi());
    return plan.abi > 0 && !jail::lock_files(plan).happened();
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
    FrameReader reader(kTaskBounds);
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
    auto task = decode_task(std::move(frame));
    if (!task) {
        return kBadFrame;
    }
    std::optional<Tls> tls;
    if (task->rules.inspects()) {
        auto made = Tls::make(task->authority);
        if (!made) {
            return kNoTls;
        }
        tls = std::move(*made);
    }
    Broker broker(std::move(*task), std::move(tls), std::move(listener),
                  [&host](const ConnectionReport& report) {
                      const std::string bytes = encode_connection(report);
                      // A host that doesn't read any more has ended, or will end this.
                      (void)::send(host.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
                  });
    broker.serve(host.get());
    return 0;
}

}  // namespace cellblock::sandbox::network
