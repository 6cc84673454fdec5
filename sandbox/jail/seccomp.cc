// The filter, by libseccomp, exported before any process is made.
#include "sandbox/jail/seccomp.h"

#include <asm/unistd.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <memory>

#include "sandbox/base/unique_fd.h"

namespace cellblock::sandbox::jail {

namespace {

using Filter = std::unique_ptr<void, decltype(&seccomp_release)>;

// Names, so that each machine's numbers are libseccomp's business. Names that a
// machine doesn't have are skipped.
constexpr auto kDenied = std::to_array<const char*>({
    // mounts and roots
    "mount",
    "umount",
    "umount2",
    "pivot_root",
    "chroot",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    "open_by_handle_at",
    "name_to_handle_at",
    "quotactl",
    "quotactl_fd",
    "swapon",
    "swapoff",
    "acct",
    "sysfs",
    "ustat",
    "uselib",
    "nfsservctl",
    // namespaces
    "unshare",
    "setns",
    // large or rarely tested parts of the kernel
    "bpf",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "userfaultfd",
    "perf_event_open",
    "fanotify_init",
    "fanotify_mark",
    "memfd_secret",
    "lookup_dcookie",
    "modify_ldt",
    "vm86",
    "vm86old",
    // other processes
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "kcmp",
    "pidfd_getfd",
    "move_pages",
    "migrate_pages",
    // keys
    "keyctl",
    "add_key",
    "request_key",
    // the machine
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "create_module",
    "get_kernel_syms",
    "query_module",
    "reboot",
    "syslog",
    "vhangup",
    "iopl",
    "ioperm",
    "sethostname",
    "setdomainname",
    "settimeofday",
    "stime",
    "clock_settime",
    "clock_settime64",
    "adjtimex",
    "clock_adjtime",
    "clock_adjtime64",
    "_sysctl",
});

constexpr auto kNewNamespaces = std::to_array<std::uint64_t>({
    CLONE_NEWNS,
    CLONE_NEWCGROUP,
    CLONE_NEWUTS,
    CLONE_NEWIPC,
    CLONE_NEWUSER,
    CLONE_NEWPID,
    CLONE_NEWNET,
});

constexpr auto kTerminalTricks = std::to_array<std::uint64_t>({TIOCSTI, TIOCLINUX, TIOCSETD});

class Rules {
public:
    explicit Rules(scmp_filter_ctx filter) : filter_(filter) {}

    template <class... Comparison>
    void deny(const char* name, int error, Comparison... comparisons) {
        const int number = seccomp_syscall_resolve_name(name);
        if (number == __NR_SCMP_ERROR || failed_ != 0) {
            return;
        }
        const std::array<scmp_arg_cmp, sizeof...(comparisons) + 1> list{comparisons...};
        // A call that this machine doesn't have needs no rule; libseccomp skips it.
        failed_ = seccomp_rule_add_array(filter_, SCMP_ACT_ERRNO(static_cast<unsigned>(error)), number,
                                         sizeof...(comparisons), list.data());
    }

    [[nodiscard]] int failed() const { return failed_; }

private:
    scmp_filter_ctx filter_;
    int failed_ = 0;
};

scmp_arg_cmp has_bits(unsigned argument, std::uint64_t mask, std::uint64_t value) {
    return scmp_arg_cmp{argument, SCMP_CMP_MASKED_EQ, mask, value};
}

void add_rules(Rules& rules) {
    for (const char* name : kDenied) {
        rules.deny(name, EPERM);
    }
    // Its flags lie in memory where no filter sees them. glibc falls back to clone.
    rules.deny("clone3", ENOSYS);
    for (const auto flag : kNewNamespaces) {
        rules.deny("clone", EPERM, has_bits(0, flag, flag));
    }
    for (const auto request : kTerminalTricks) {
        rules.deny("ioctl", EPERM, has_bits(1, 0xffffffff, request));
    }
    for (const auto kind : {S_IFCHR, S_IFBLK}) {
        rules.deny("mknod", EPERM, has_bits(1, S_IFMT, kind));
        rules.deny("mknodat", EPERM, has_bits(2, S_IFMT, kind));
    }
    // Asking for the present personality is all that is allowed.
    rules.deny("personality", EPERM, scmp_arg_cmp{0, SCMP_CMP_NE, 0xffffffff, 0});
    // Local and Internet sockets, no others.
    rules.deny("socket", EAFNOSUPPORT, scmp_arg_cmp{0, SCMP_CMP_GT, AF_INET6, 0});
    for (int family = AF_INET + 1; family < AF_INET6; ++family) {
        rules.deny("socket", EAFNOSUPPORT,
                   scmp_arg_cmp{0, SCMP_CMP_EQ, static_cast<scmp_datum_t>(family), 0});
    }
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

}  // namespace

Result<std::vector<sock_filter>> build_filter() {
    const Filter filter(seccomp_init(SCMP_ACT_ALLOW), &seccomp_release);
    if (!filter) {
        return Error{"build the system call filter", 0, "libseccomp gave none", {}};
    }
    seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
    Rules rules(filter.get());
    add_rules(rules);
    if (rules.failed() != 0) {
        return Error{"build the system call filter", -rules.failed(), "libseccomp refused a rule", {}};
    }
    auto program = exported(filter.get());
    if (program) {
        forget_newer_calls(*program);
    }
    return program;
}

}  // namespace cellblock::sandbox::jail
