// What the system call filter answers, call by call: its program is run here, on each machine's numbers.
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "sandbox/jail/allowed_calls.h"
#include "sandbox/jail/seccomp.h"
#include "tests/unit/catch.h"

namespace {

using namespace cellblock::sandbox;
using Arguments = std::array<std::uint64_t, 6>;
using Numbers = std::vector<std::uint64_t>;

constexpr std::uint32_t kAllowed = SECCOMP_RET_ALLOW;
constexpr std::uint32_t kDone = SECCOMP_RET_ERRNO;  // answered with success
constexpr std::uint64_t kHigh = 1ULL << 40;         // above what the kernel reads of an int

std::uint32_t answer(int error) {
    return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error);
}

bool jumps(const sock_filter& line, std::uint32_t value) {
    switch (BPF_OP(line.code)) {
        case BPF_JEQ:
            return value == line.k;
        case BPF_JGT:
            return value > line.k;
        case BPF_JGE:
            return value >= line.k;
        default:
            REQUIRE(BPF_OP(line.code) == BPF_JSET);
            return (value & line.k) != 0;
    }
}

// As the kernel would run it.
std::uint32_t run(const std::vector<sock_filter>& program, const seccomp_data& data) {
    std::uint32_t value = 0;
    for (std::size_t at = 0; at < program.size(); ++at) {
        const sock_filter& line = program[at];
        switch (line.code) {
            case BPF_LD | BPF_W | BPF_ABS:
                REQUIRE(line.k + sizeof value <= sizeof data);
                std::memcpy(&value, reinterpret_cast<const char*>(&data) + line.k, sizeof value);
                break;
            case BPF_ALU | BPF_AND | BPF_K:
                value &= line.k;
                break;
            case BPF_RET | BPF_K:
                return line.k;
            case BPF_JMP | BPF_JA:
                at += line.k;
                break;
            default:
                REQUIRE(BPF_CLASS(line.code) == BPF_JMP);
                at += jumps(line, value) ? line.jt : line.jf;
        }
    }
    FAIL("the program ends without an answer");
    return 0;
}

class Machine {
public:
    explicit Machine(const jail::FilterOptions& options, std::uint32_t machine = SCMP_ARCH_X86_64)
        : machine_(machine) {
        auto made = jail::build_filter(options, machine);
        REQUIRE(made.ok());
        program_ = std::move(*made);
    }

    [[nodiscard]] std::uint32_t judge(const char* call, const Arguments& arguments = {}) const {
        seccomp_data data{};
        data.nr = seccomp_syscall_resolve_name_arch(machine_, call);
        data.arch = machine_;
        INFO(call << "(" << arguments[0] << ", " << arguments[1] << ", " << arguments[2] << ")");
        REQUIRE(data.nr >= 0);
        std::copy(arguments.begin(), arguments.end(), data.args);
        return run(program_, data);
    }

private:
    std::uint32_t machine_;
    std::vector<sock_filter> program_;
};

// memory_is_limited, namespaces, own_user, builder, makes_jails
constexpr auto kOptions = std::to_array<jail::FilterOptions>({
    {true, true, true, false, false},
    {false, true, true, false, false},
    {false, false, false, false, false},
    {true, true, true, true, false},
    {true, true, true, false, true},
});

}  // namespace

TEST_CASE("a thread's registers are its own, the processor's settings aren't") {
    for (const auto& options : kOptions) {
        const Machine machine(options);
        for (const std::uint64_t option : Numbers{0x1001, 0x1002, 0x1003, 0x1004, 0x1021, 0x1022, 0x1023,
                                                  0x3001, 0x5001, 0x5002, 0x5003, 0x5005}) {
            CHECK(machine.judge("arch_prctl", {option}) == kAllowed);
            CHECK(machine.judge("arch_prctl", {option | kHigh}) == kAllowed);
        }
        // CPUID faulting; another vdso; guests' permissions; address tags; a tracer's key to shadow stacks
        for (const std::uint64_t option : Numbers{0x1011, 0x1012, 0x2001, 0x2002, 0x2003, 0x1024, 0x1025,
                                                  0x4001, 0x4002, 0x4004, 0x5004, 0, 0x1005}) {
            CHECK(machine.judge("arch_prctl", {option}) == answer(EPERM));
            CHECK(machine.judge("arch_prctl", {option | kHigh}) == answer(EPERM));
        }
    }
}

TEST_CASE("a pair of sockets is judged as one socket is") {
    for (const auto& options : kOptions) {
        for (const std::uint32_t number : {SCMP_ARCH_X86_64, SCMP_ARCH_AARCH64}) {
            const Machine machine(options, number);
            for (const std::uint64_t type : Numbers{SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}) {
                CHECK(machine.judge("socketpair", {AF_UNIX, type}) == kAllowed);
                CHECK(machine.judge("socketpair", {AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK}) ==
                      kAllowed);
            }
            CHECK(machine.judge("socketpair", {AF_UNIX, SOCK_RAW}) == answer(EPERM));
            CHECK(machine.judge("socketpair", {AF_UNIX, SOCK_STREAM, 5}) == answer(EPERM));
            for (std::uint64_t family = 0; family < 64; ++family) {
                for (const std::uint64_t protocol : Numbers{0, IPPROTO_TCP, 15, 132, 136, 255, 262}) {
                    for (const std::uint64_t type :
                         Numbers{SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET}) {
                        const auto told = machine.judge("socketpair", {family, type, protocol});
                        CHECK((family == AF_UNIX || told == answer(EAFNOSUPPORT)));
                    }
                }
            }
            CHECK(machine.judge("socketpair", {AF_NETLINK | kHigh, SOCK_RAW}) == answer(EAFNOSUPPORT));
            CHECK(machine.judge("socketpair", {~0ULL, SOCK_RAW}) == answer(EAFNOSUPPORT));
        }
    }
}

TEST_CASE("descriptors can be asked and locked, and send no signal and hold nobody up") {
    for (const auto& options : kOptions) {
        const Machine machine(options);
        for (const std::uint64_t command :
             Numbers{F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW, F_OFD_SETLK,
                     F_DUPFD_CLOEXEC, F_ADD_SEALS, F_GETPIPE_SZ}) {
            CHECK(machine.judge("fcntl", {3, command}) == kAllowed);
        }
        for (const std::uint64_t command :
             Numbers{F_SETLEASE, F_NOTIFY, F_SETOWN, F_SETOWN_EX, F_SETSIG, 1029, 4000}) {
            CHECK(machine.judge("fcntl", {3, command}) == answer(EPERM));
            CHECK(machine.judge("fcntl", {3, command | kHigh}) == answer(EPERM));
        }
    }
}

TEST_CASE("nothing makes the host's disks work but reading") {
    for (const auto& options : kOptions) {
        const Machine machine(options);
        for (const char* call : {"sync", "syncfs", "fsync", "fdatasync", "sync_file_range", "fadvise64"}) {
            CHECK(machine.judge(call, {3}) == kDone);
        }
        CHECK(machine.judge("msync", {0x1000, 0x1000, MS_SYNC}) == kDone);
        CHECK(machine.judge("msync", {0x1000, 0x1000, MS_SYNC | MS_INVALIDATE | kHigh}) == kDone);
        CHECK(machine.judge("msync", {0x1000, 0x1000, MS_ASYNC}) == kAllowed);
    }
}

TEST_CASE("without a root of its own, a jail reads no attributes of files") {
    for (const auto& options : kOptions) {
        const Machine machine(options);
        const std::uint32_t told = options.namespaces ? kAllowed : answer(EOPNOTSUPP);
        for (const char* call :
             {"getxattr", "lgetxattr", "fgetxattr", "listxattr", "llistxattr", "flistxattr"}) {
            CHECK(machine.judge(call) == told);
        }
    }
}

TEST_CASE("no file is watched, and programs hear that they have to look themselves") {
    for (const auto& options : kOptions) {
        const Machine machine(options);
        for (const char* call : {"inotify_init", "inotify_init1", "inotify_add_watch", "inotify_rm_watch"}) {
            CHECK(machine.judge(call) == answer(ENOSYS));
        }
        CHECK(machine.judge("fanotify_init") == answer(EPERM));
        CHECK(machine.judge("fanotify_mark") == answer(EPERM));
    }
}

TEST_CASE("where no control group bounds memory, none is shared without a file, and no socket holds more") {
    for (const auto& options : kOptions) {
        const Machine machine(options);
        const bool bounded = options.memory_is_limited;
        for (const std::uint64_t flags :
             Numbers{MAP_PRIVATE, MAP_PRIVATE | MAP_ANONYMOUS, MAP_SHARED, MAP_SHARED_VALIDATE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_HUGETLB}) {
            CHECK(machine.judge("mmap", {0, 4096, 3, flags}) == kAllowed);
        }
        for (const std::uint64_t flags :
             Numbers{MAP_SHARED | MAP_ANONYMOUS, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
                     MAP_SHARED_VALIDATE | MAP_ANONYMOUS, MAP_SHARED | MAP_ANONYMOUS | kHigh}) {
            CHECK(machine.judge("mmap", {0, 4096, 3, flags}) == (bounded ? kAllowed : answer(EPERM)));
        }
        for (const std::uint64_t option : Numbers{SO_SNDBUF, SO_RCVBUF}) {
            CHECK(machine.judge("setsockopt", {3, SOL_SOCKET, option}) == (bounded ? kAllowed : kDone));
            CHECK(machine.judge("setsockopt", {3, SOL_SOCKET | kHigh, option | kHigh}) ==
                  (bounded ? kAllowed : kDone));
            CHECK(machine.judge("setsockopt", {3, IPPROTO_TCP, option}) == kAllowed);
        }
        CHECK(machine.judge("setsockopt", {3, SOL_SOCKET, SO_REUSEADDR}) == kAllowed);
    }
}

TEST_CASE("a warm Python can make jails, and else no more than a sandbox") {
    const Machine zygote({true, true, true, false, true});
    const Machine sandbox({true, true, true, false, false});
    for (const char* call : {"clone3", "unshare", "mount", "umount2", "pivot_root", "open_tree", "move_mount",
                             "mount_setattr", "sethostname", "setdomainname", "seccomp",
                             "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"}) {
        CHECK(zygote.judge(call) == kAllowed);
        CHECK(sandbox.judge(call) != kAllowed);
    }
    for (const char* call : {"setns",
                             "ptrace",
                             "process_vm_readv",
                             "bpf",
                             "perf_event_open",
                             "keyctl",
                             "add_key",
                             "userfaultfd",
                             "io_uring_setup",
                             "init_module",
                             "kexec_load",
                             "reboot",
                             "swapon",
                             "settimeofday",
                             "chroot",
                             "fsopen",
                             "fsmount",
                             "mknod",
                             "name_to_handle_at",
                             "open_by_handle_at",
                             "quotactl",
                             "acct",
                             "syslog",
                             "pidfd_getfd",
                             "inotify_init"}) {
        CHECK(zygote.judge(call, {0, 0xffff, 0xffff, 0xffff}) != kAllowed);
    }
    // A mark in an overlay; no other device.
    CHECK(zygote.judge("mknodat", {3, 0, S_IFCHR, 0}) == kAllowed);
    CHECK(zygote.judge("mknodat", {3, 0, S_IFCHR, 0x103}) == answer(EPERM));
    CHECK(zygote.judge("mknodat", {3, 0, S_IFBLK, 0}) == answer(EPERM));
}
