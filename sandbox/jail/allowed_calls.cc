// The lists, for 64-bit machines. Wide enough for scientific Python, threads,
// subprocesses and asyncio.
#include "sandbox/jail/allowed_calls.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/prctl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <array>

namespace cellblock::sandbox::jail {

namespace {

// clang-format off
constexpr auto kAllowed = std::to_array<const char*>({
    // open files, and what is read and written by them
    "open", "openat", "openat2", "creat", "close", "close_range", "read", "write", "readv", "writev",
    "pread64", "pwrite64", "preadv", "pwritev", "preadv2", "pwritev2", "lseek", "dup", "dup2", "dup3",
    "flock", "truncate", "ftruncate", "fallocate", "readahead", "sendfile", "copy_file_range", "splice", "tee",
    "pipe", "pipe2",
    // names of files
    "stat", "fstat", "lstat", "newfstatat", "statx", "statfs", "fstatfs", "access", "faccessat",
    "faccessat2", "getcwd", "chdir", "fchdir", "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat",
    "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "readlink", "readlinkat",
    "getdents", "getdents64", "umask", "chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown",
    "fchownat", "utime", "utimes", "utimensat", "futimesat", "getxattr", "lgetxattr", "fgetxattr",
    "setxattr", "lsetxattr", "fsetxattr", "listxattr", "llistxattr", "flistxattr", "removexattr",
    "lremovexattr", "fremovexattr",
    // memory
    "brk", "munmap", "mremap", "mprotect", "madvise", "mincore", "mlock", "mlock2",
    "mlockall", "munlock", "munlockall", "membarrier", "pkey_alloc", "pkey_free", "pkey_mprotect",
    "get_mempolicy", "set_mempolicy", "mbind",
    // processes and threads
    "fork", "vfork", "execve", "execveat", "exit", "exit_group", "wait4", "waitid", "pidfd_open",
    "pidfd_send_signal", "set_tid_address", "set_robust_list", "get_robust_list", "rseq", "futex",
    "futex_waitv", "set_thread_area", "get_thread_area", "getpid", "getppid", "gettid",
    "getpgid", "getpgrp", "setpgid", "getsid", "setsid", "getrlimit", "setrlimit", "prlimit64",
    "getrusage", "times", "getcpu",
    // whose they are: inside there is one user, and no way to another
    "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups", "setuid", "setgid",
    "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid", "setgroups", "capget",
    "capset",
    // their turn
    "sched_yield", "sched_getaffinity", "sched_setaffinity", "sched_getparam", "sched_setparam",
    "sched_getscheduler", "sched_setscheduler", "sched_getattr", "sched_setattr",
    "sched_get_priority_max", "sched_get_priority_min", "sched_rr_get_interval", "getpriority",
    "setpriority", "ioprio_get", "ioprio_set",
    // signals
    "kill", "tkill", "tgkill", "rt_sigaction", "rt_sigprocmask", "rt_sigpending", "rt_sigsuspend",
    "rt_sigtimedwait", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "rt_sigreturn", "sigaltstack", "signalfd",
    "signalfd4", "pause", "restart_syscall",
    // time
    "time", "gettimeofday", "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "alarm",
    "getitimer", "setitimer", "timer_create", "timer_delete", "timer_gettime", "timer_settime",
    "timer_getoverrun", "timerfd_create", "timerfd_gettime", "timerfd_settime",
    // waiting for many
    "poll", "ppoll", "select", "pselect6", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait",
    "epoll_pwait", "epoll_pwait2", "eventfd", "eventfd2",
    // sockets that are there; `socket` and `socketpair` by their arguments
    "bind", "listen", "accept", "accept4", "connect", "getsockname", "getpeername",
    "getsockopt", "setsockopt", "shutdown", "sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg",
    "recvmmsg",
    // the machine, as far as it is shown
    "uname", "sysinfo", "getrandom",
});

constexpr auto kMemoryOfTheirOwn = std::to_array<const char*>({
    // Memory that no process need have mapped, so that no RLIMIT_DATA counts it.
    "memfd_create", "shmget", "shmat", "shmdt", "shmctl", "semget", "semop", "semtimedop", "semctl",
    "msgget", "msgsnd", "msgrcv", "msgctl",
});

constexpr auto kSaidToBeMissing = std::to_array<const char*>({
    // Its flags lie in memory, where no filter sees them. libc falls back to clone.
    "clone3", "io_uring_setup", "io_uring_enter", "io_uring_register", "io_setup", "io_destroy",
    "io_submit", "io_cancel", "io_getevents", "io_pgetevents", "userfaultfd", "memfd_secret", "vmsplice",
    "name_to_handle_at", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self",
    "mq_open",
    // A watch on a folder that the host has too (/usr/bin, say) tells which programs the host runs and what the
    // other sandboxes import, and no filter sees a path. Programs that watch (tail, watchfiles) then look again
    // and again.
    "inotify_init", "inotify_init1", "inotify_add_watch", "inotify_rm_watch",
});

// Any file that can be read may be synchronised, and each time the host's disk empties its caches. Nothing that a
// cell writes is to outlive the sandbox. A program's advice (fadvise64) would empty the host's page cache.
constexpr auto kLeftUndone = std::to_array<const char*>({
    "sync", "syncfs", "fsync", "fdatasync", "sync_file_range", "fadvise64",
});

// Landlock doesn't judge them, or they know objects that have no path.
constexpr auto kNeedNamespaces = std::to_array<const char*>({
    "truncate", "setpriority", "ioprio_set",
    "shmget", "shmat", "shmdt", "shmctl", "semget", "semop", "semtimedop", "semctl", "msgget", "msgsnd",
    "msgrcv", "msgctl", "bind", "listen", "accept", "accept4", "connect",
});

constexpr auto kOnOneProcess = std::to_array<const char*>({
    "prlimit64", "sched_setaffinity", "sched_setparam", "sched_setscheduler", "sched_setattr",
});

constexpr auto kReadAttributes = std::to_array<const char*>({
    "getxattr", "lgetxattr", "fgetxattr", "listxattr", "llistxattr", "flistxattr",
});

constexpr auto kOnOwnedFiles = std::to_array<const char*>({
    "chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat", "utime", "utimes",
    "utimensat", "futimesat", "setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr",
    "fremovexattr",
});

constexpr auto kIoctls = std::to_array<std::uint64_t>({
    // any file
    FIOCLEX, FIONCLEX, FIONBIO, FIOASYNC, FIONREAD, FIOQSIZE, FIGETBSZ, FICLONE, FICLONERANGE,
    FS_IOC_GETFLAGS,
    // terminals; nothing that types into one or changes its line discipline
    TCGETS, TCSETS, TCSETSW, TCSETSF, 0x802c542a /* TCGETS2 */, 0x402c542b /* TCSETS2 */,
    0x402c542c /* TCSETSW2 */, 0x402c542d /* TCSETSF2 */, TCSBRK, TCSBRKP, TCXONC, TCFLSH, TIOCGWINSZ, TIOCSWINSZ,
    TIOCGPGRP, TIOCSPGRP, TIOCGSID, TIOCSCTTY, TIOCNOTTY, TIOCOUTQ, TIOCGPTN, TIOCSPTLCK, TIOCGPTLCK,
    TIOCGPTPEER, TIOCPKT, TIOCGPKT, TIOCEXCL, TIOCNXCL, TIOCGEXCL, TIOCGETD, TIOCMGET,
    // names and addresses of network interfaces: the jail has its loopback
    SIOCGIFNAME, SIOCGIFCONF, SIOCGIFFLAGS, SIOCGIFADDR, SIOCGIFBRDADDR, SIOCGIFNETMASK, SIOCGIFMTU,
    SIOCGIFHWADDR, SIOCGIFINDEX,
});

constexpr auto kPrctls = std::to_array<std::uint64_t>({
    PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_DUMPABLE, PR_GET_KEEPCAPS, PR_GET_TIMING,
    PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP, PR_CAPBSET_READ, PR_GET_SECUREBITS, PR_SET_TIMERSLACK,
    PR_GET_TIMERSLACK, PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS,
    PR_GET_NO_NEW_PRIVS, PR_GET_TID_ADDRESS, PR_SET_THP_DISABLE, PR_GET_THP_DISABLE, PR_CAP_AMBIENT,
    PR_GET_SPECULATION_CTRL, PR_SET_PTRACER,
    // names of mappings, given by allocators
    0x53564d41 /* PR_SET_VMA */,
    // ARM's vectors and pointer authentication
    PR_SVE_SET_VL, PR_SVE_GET_VL, PR_PAC_RESET_KEYS, PR_SET_TAGGED_ADDR_CTRL, PR_GET_TAGGED_ADDR_CTRL,
});

// Not F_SETLEASE and F_NOTIFY: the host's programs that open the same file would wait, or be seen. Not F_SETOWN,
// F_SETSIG and F_SETOWN_EX, which send a signal of one's choice to a process of one's choice.
constexpr auto kFcntls = std::to_array<std::uint64_t>({
    F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW, F_OFD_GETLK,
    F_OFD_SETLK, F_OFD_SETLKW, F_GETOWN, F_GETSIG, F_GETOWN_EX, F_GETLEASE, F_SETPIPE_SZ, F_GETPIPE_SZ,
    F_ADD_SEALS, F_GET_SEALS,
});

// x86. Not ARCH_SET_CPUID, ARCH_MAP_VDSO_*, guests' permissions and what changes addresses' tags.
constexpr auto kArchPrctls = std::to_array<std::uint64_t>({
    0x1001 /* ARCH_SET_GS */, 0x1002 /* ARCH_SET_FS */, 0x1003 /* ARCH_GET_FS */, 0x1004 /* ARCH_GET_GS */,
    // AMX: what there is, and permission for it
    0x1021 /* ARCH_GET_XCOMP_SUPP */, 0x1022 /* ARCH_GET_XCOMP_PERM */, 0x1023 /* ARCH_REQ_XCOMP_PERM */,
    // shadow stacks, by libc
    0x3001 /* ARCH_CET_STATUS */, 0x5001 /* ARCH_SHSTK_ENABLE */, 0x5002 /* ARCH_SHSTK_DISABLE */,
    0x5003 /* ARCH_SHSTK_LOCK */, 0x5005 /* ARCH_SHSTK_STATUS */,
});

// To make a jail, from namespaces to its own filter.
constexpr auto kMakeJails = std::to_array<const char*>({
    "clone", "clone3", "unshare", "mount", "umount2", "pivot_root", "open_tree", "move_mount", "mount_setattr", "sethostname",
    "setdomainname", "seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self",
});

constexpr auto kMakeJailsPrctls = std::to_array<std::uint64_t>({
    PR_CAPBSET_DROP, PR_SET_SECUREBITS,
});

// clang-format on

}  // namespace

std::span<const char* const> allowed_calls() {
    return kAllowed;
}

std::span<const char* const> calls_with_memory_of_their_own() {
    return kMemoryOfTheirOwn;
}

std::span<const char* const> calls_said_to_be_missing() {
    return kSaidToBeMissing;
}

std::span<const char* const> calls_that_make_jails() {
    return kMakeJails;
}

std::span<const std::uint64_t> prctls_that_make_jails() {
    return kMakeJailsPrctls;
}

std::span<const char* const> calls_left_undone() {
    return kLeftUndone;
}

std::span<const char* const> calls_that_need_namespaces() {
    return kNeedNamespaces;
}

std::span<const char* const> calls_on_one_process() {
    return kOnOneProcess;
}

std::span<const char* const> calls_that_read_attributes() {
    return kReadAttributes;
}

std::span<const char* const> calls_on_owned_files() {
    return kOnOwnedFiles;
}

std::span<const std::uint64_t> allowed_ioctls() {
    return kIoctls;
}

std::span<const std::uint64_t> allowed_prctls() {
    return kPrctls;
}

std::span<const std::uint64_t> allowed_fcntls() {
    return kFcntls;
}

std::span<const std::uint64_t> allowed_arch_prctls() {
    return kArchPrctls;
}

}  // namespace cellblock::sandbox::jail
