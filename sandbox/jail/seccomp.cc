// The filter, by libseccomp, exported before any process is made.
#include "sandbox/jail/seccomp.h"

#include <asm/unistd.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <string_view>

#include "sandbox/api/unique_fd.h"
#include "sandbox/jail/allowed_calls.h"

namespace cellblock::sandbox::jail {

namespace {

using Filter = std::unique_ptr<void, decltype(&seccomp_release)>;

constexpr std::uint64_t kNewNamespaces =
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

// A socket's type without SOCK_NONBLOCK and SOCK_CLOEXEC.
constexpr std::uint64_t kSocketType = 0xf;

struct SocketKind {
    int family;
    int type;
    int protocol;
};

// No raw ones, and no protocol whose code isn't in use anyway.
constexpr auto kSockets = std::to_array<SocketKind>({
    {AF_UNIX, SOCK_STREAM, 0},
    {AF_UNIX, SOCK_DGRAM, 0},
    {AF_UNIX, SOCK_SEQPACKET, 0},
    {AF_INET, SOCK_STREAM, 0},
    {AF_INET, SOCK_STREAM, IPPROTO_TCP},
    {AF_INET, SOCK_DGRAM, 0},
    {AF_INET, SOCK_DGRAM, IPPROTO_UDP},
    {AF_INET6, SOCK_STREAM, 0},
    {AF_INET6, SOCK_STREAM, IPPROTO_TCP},
    {AF_INET6, SOCK_DGRAM, 0},
    {AF_INET6, SOCK_DGRAM, IPPROTO_UDP},
});

struct Refusal {
    const char* call;
    unsigned argument;
    std::uint32_t value;
};

// Any process of a user may say how much of the processors, memory and files
// another one gets, so a worker could starve the warden that watches it, which
// is process 1 in its namespace.
constexpr std::uint32_t kWarden = 1;
// IOPRIO_WHO_USER. Debian's newer linux/ioprio.h, which has it, is no C++ (a parameter named `class`).
constexpr std::uint32_t kIoPriorityOfUser = 3;
constexpr auto kRefusals = std::to_array<Refusal>({
    {"prlimit64", 0, kWarden},
    {"sched_setaffinity", 0, kWarden},
    {"sched_setparam", 0, kWarden},
    {"sched_setscheduler", 0, kWarden},
    {"sched_setattr", 0, kWarden},
    {"setpriority", 0, PRIO_USER},
    {"setpriority", 1, kWarden},
    {"ioprio_set", 0, kIoPriorityOfUser},
    {"ioprio_set", 1, kWarden},
});

class Rules {
public:
    explicit Rules(scmp_filter_ctx filter) : filter_(filter) {}

    template <class... Comparison>
    void allow(const char* name, Comparison... comparisons) {
        add(SCMP_ACT_ALLOW, name, comparisons...);
    }

    template <class... Comparison>
    void answer(int error, const char* name, Comparison... comparisons) {
        add(SCMP_ACT_ERRNO(static_cast<unsigned>(error)), name, comparisons...);
    }

    [[nodiscard]] int failed() const { return failed_; }

private:
    template <class... Comparison>
    void add(std::uint32_t action, const char* name, Comparison... comparisons) {
        const int number = seccomp_syscall_resolve_name(name);
        if (number == __NR_SCMP_ERROR || failed_ != 0) {
            return;
        }
        const std::array<scmp_arg_cmp, sizeof...(comparisons) + 1> list{comparisons...};
        // A call that this machine doesn't have needs no rule; libseccomp skips it.
        failed_ = seccomp_rule_add_array(filter_, action, number, sizeof...(comparisons), list.data());
    }

    scmp_filter_ctx filter_;
    int failed_ = 0;
};

scmp_arg_cmp has_bits(unsigned argument, std::uint64_t mask, std::uint64_t value) {
    return scmp_arg_cmp{argument, SCMP_CMP_MASKED_EQ, mask, value};
}

// The kernel reads an int here, so what stands above it must not matter.
scmp_arg_cmp is(unsigned argument, std::uint64_t value) {
    return has_bits(argument, 0xffffffff, value);
}

bool is_one_of(std::span<const char* const> names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

// Where no namespace hides the host's other processes and objects.
bool reaches_outside(const char* name, const FilterOptions& options) {
    return (!options.namespaces &&
            (is_one_of(calls_that_need_namespaces(), name) || is_one_of(calls_on_one_process(), name) ||
             is_one_of(calls_that_read_attributes(), name))) ||
           (!options.own_user && is_one_of(calls_on_owned_files(), name));
}

// No setup.py runs where no process can be made.
bool makes_process(std::string_view name) {
    return name == "fork" || name == "vfork";
}

void add_allowed(Rules& rules, const FilterOptions& options) {
    for (const char* name : allowed_calls()) {
        if (!reaches_outside(name, options) && !(options.builder && makes_process(name))) {
            rules.allow(name);
        }
    }
    for (const char* name : calls_with_memory_of_their_own()) {
        const bool allowed = options.memory_is_limited && !reaches_outside(name, options);
        allowed ? rules.allow(name) : rules.answer(ENOSYS, name);
    }
    if (!options.own_user) {
        for (const char* name : calls_on_owned_files()) {
            rules.answer(0, name);
        }
    }
    if (!options.namespaces) {
        for (const char* name : calls_on_one_process()) {
            rules.allow(name, is(0, 0));
        }
        for (const char* name : calls_that_read_attributes()) {
            rules.answer(EOPNOTSUPP, name);
        }
    }
}

void add_refused(Rules& rules, const FilterOptions& options) {
    for (const char* name : calls_said_to_be_missing()) {
        if (!options.makes_jails || !is_one_of(calls_that_make_jails(), name)) {
            rules.answer(ENOSYS, name);
        }
    }
    for (const char* name : calls_left_undone()) {
        rules.answer(0, name);
    }
}

void add_by_argument(Rules& rules, const FilterOptions& options) {
    const std::uint64_t needed = options.builder ? CLONE_THREAD : 0;
    if (!options.makes_jails) {
        rules.allow("clone", has_bits(0, kNewNamespaces | needed, needed));
    }
    for (const auto request : allowed_ioctls()) {
        rules.allow("ioctl", is(1, request));
    }
    for (const auto option : allowed_prctls()) {
        rules.allow("prctl", is(0, option));
    }
    for (const auto command : allowed_fcntls()) {
        rules.allow("fcntl", is(1, command));
    }
    for (const auto option : allowed_arch_prctls()) {
        rules.allow("arch_prctl", is(0, option));
    }
    // As calls_left_undone(). What asks whether something is mapped there doesn't wait for a disk.
    rules.allow("msync", has_bits(2, MS_SYNC, 0));
    rules.answer(0, "msync", has_bits(2, MS_SYNC, MS_SYNC));
    for (const auto kind : {0, S_IFREG, S_IFIFO, S_IFSOCK}) {
        rules.allow("mknod", has_bits(1, S_IFMT, static_cast<std::uint64_t>(kind)));
        rules.allow("mknodat", has_bits(2, S_IFMT, static_cast<std::uint64_t>(kind)));
    }
    if (options.memory_is_limited) {
        rules.allow("mmap");
    } else {
        // Anonymous memory that is shared stays where it is when nobody has it mapped, and no process is
        // charged for it.
        rules.allow("mmap", has_bits(3, MAP_ANONYMOUS, 0));
        constexpr std::uint64_t kDroppable = 8;  // of newer headers: private, and may be forgotten
        for (const std::uint64_t kind : {std::uint64_t{MAP_PRIVATE}, kDroppable}) {
            rules.allow("mmap", has_bits(3, MAP_TYPE, kind));
        }
    }
    // Asking for the present personality is all that is allowed.
    rules.allow("personality", is(0, 0xffffffff));
}

// What programs expect to hear of a family that the kernel doesn't have.
void lack_family(Rules& rules, const char* call, int family) {
    rules.answer(EAFNOSUPPORT, call, is(0, static_cast<std::uint64_t>(family)));
}

void add_jails(Rules& rules) {
    for (const char* name : calls_that_make_jails()) {
        rules.allow(name);
    }
    for (const auto option : prctls_that_make_jails()) {
        rules.allow("prctl", is(0, option));
    }
    rules.allow("ioctl", is(1, SIOCSIFFLAGS));
    // An overlay's mark for a name that is gone.
    rules.allow("mknodat", has_bits(2, S_IFMT, S_IFCHR), is(3, 0));
}

void add_sockets(Rules& rules, const FilterOptions& options) {
    for (const auto& kind : kSockets) {
        if (options.builder && kind.family == AF_UNIX) {
            continue;  // the abstract ones of the host's network are there
        }
        rules.allow("socket", is(0, static_cast<std::uint64_t>(kind.family)),
                    has_bits(1, kSocketType, static_cast<std::uint64_t>(kind.type)),
                    is(2, static_cast<std::uint64_t>(kind.protocol)));
    }
    for (int family = AF_INET + 1; family < AF_NETLINK; ++family) {
        if (family != AF_INET6) {
            lack_family(rules, "socket", family);
        }
    }
    // By this one getifaddrs() asks. libzmq, which asks before it binds a TCP socket, ends the process at any
    // other answer.
    rules.answer(EOPNOTSUPP, "socket", is(0, AF_NETLINK));
    rules.answer(EAFNOSUPPORT, "socket", scmp_arg_cmp{0, SCMP_CMP_GT, AF_NETLINK, 0});
}

// The kernel makes two sockets of any family, before it finds that only few can be a pair.
void add_socket_pairs(Rules& rules) {
    for (const auto& kind : kSockets) {
        if (kind.family == AF_UNIX) {
            rules.allow("socketpair", is(0, AF_UNIX),
                        has_bits(1, kSocketType, static_cast<std::uint64_t>(kind.type)),
                        is(2, static_cast<std::uint64_t>(kind.protocol)));
        }
    }
    lack_family(rules, "socketpair", AF_UNSPEC);
    for (int family = AF_UNIX + 1; family <= AF_INET6; ++family) {
        lack_family(rules, "socketpair", family);
    }
    rules.answer(EAFNOSUPPORT, "socketpair", scmp_arg_cmp{0, SCMP_CMP_GT, AF_INET6, 0});
}

Result<std::vector<sock_filter>> exported(scmp_filter_ctx filter) {
    const UniqueFd file(::memfd_create("filter", MFD_CLOEXEC));
    const int failed = file.valid() ? seccomp_export_bpf(filter, file.get()) : -errno;
    const off_t size = failed == 0 ? ::lseek(file.get(), 0, SEEK_END) : -1;
    if (size <= 0) {
        return Error{"build the system call filter", -failed, {}, {}};
    }
    std::vector<sock_filter> program(static_cast<std::size_t>(size) / sizeof(sock_filter));
    if (::pread(file.get(), program.data(), static_cast<std::size_t>(size), 0) != size) {
        return errno_error("build the system call filter");
    }
    return program;
}

// Calls that came after the headers of this build: nobody has judged them, so
// they don't exist. Numbers are the same on every machine since 424, and these
// headers' last one is above that.
void forget_newer_calls(std::vector<sock_filter>& program) {
    constexpr unsigned kFirstUnknown = __NR_set_mempolicy_home_node + 1;
    constexpr unsigned kX32 = 0x40000000;  // left to the filter, which kills
    const std::array<sock_filter, 4> first{
        sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        sock_filter BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kX32, 2, 0),
        sock_filter BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kFirstUnknown, 0, 1),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
    };
    program.insert(program.begin(), first.begin(), first.end());
}

// Before all rules: libseccomp has no "other than" for the lower half of an
// argument, which is all that the kernel reads of an int.
void refuse_by_value(std::vector<sock_filter>& program, std::uint32_t machine) {
    static_assert(std::endian::native == std::endian::little, "an argument's lower half comes first");
    std::vector<sock_filter> first;
    for (const auto& refusal : kRefusals) {
        const int number = seccomp_syscall_resolve_name_arch(machine, refusal.call);
        const auto offset = offsetof(seccomp_data, args) + refusal.argument * sizeof(std::uint64_t);
        const std::array<sock_filter, 5> lines{
            sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
            sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 3),
            sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)),
            sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refusal.value, 0, 1),
            sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        };
        first.insert(first.end(), lines.begin(), lines.end());
    }
    program.insert(program.begin(), first.begin(), first.end());
}

// So that a socket's buffers hold no more than the watch on memory counts for it.
void keep_buffers(std::vector<sock_filter>& program, std::uint32_t machine) {
    const int number = seccomp_syscall_resolve_name_arch(machine, "setsockopt");
    constexpr auto kLevel = offsetof(seccomp_data, args) + sizeof(std::uint64_t);
    constexpr auto kOption = offsetof(seccomp_data, args) + 2 * sizeof(std::uint64_t);
    const std::array<sock_filter, 8> first{
        sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 6),
        sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kLevel),
        sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SOL_SOCKET, 0, 4),
        sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kOption),
        sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SO_SNDBUF, 1, 0),
        sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SO_RCVBUF, 0, 1),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),  // answered with success
    };
    program.insert(program.begin(), first.begin(), first.end());
}

}  // namespace

Result<std::vector<sock_filter>> build_filter(const FilterOptions& options, std::uint32_t machine) {
    const Filter filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)), &seccomp_release);
    if (!filter) {
        return Error{"build the system call filter", 0, "libseccomp gave none", {}};
    }
    seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (machine != 0 && (seccomp_arch_remove(filter.get(), SCMP_ARCH_NATIVE) != 0 ||
                         seccomp_arch_add(filter.get(), machine) != 0)) {
        return Error{"build the system call filter", 0, "libseccomp doesn't know this machine", {}};
    }
    Rules rules(filter.get());
    add_allowed(rules, options);
    add_refused(rules, options);
    add_by_argument(rules, options);
    if (options.makes_jails) {
        add_jails(rules);
    }
    add_socket_pairs(rules);
    if (options.namespaces) {
        add_sockets(rules, options);
    }
    if (rules.failed() != 0) {
        return Error{"build the system call filter", -rules.failed(), "libseccomp refused a rule", {}};
    }
    auto program = exported(filter.get());
    if (program) {
        if (!options.memory_is_limited) {
            keep_buffers(*program, machine != 0 ? machine : seccomp_arch_native());
        }
        forget_newer_calls(*program);
        if (options.namespaces) {
            refuse_by_value(*program, machine != 0 ? machine : seccomp_arch_native());
        }
    }
    return program;
}

}  // namespace cellblock::sandbox::jail
