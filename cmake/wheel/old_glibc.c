// Functions that the program and the static libraries in it take from glibc 2.29 to 2.36, for a program that
// is linked with an older one: a wheel runs on every Linux with glibc 2.28. All are hidden, so that
// libcellblock_jail.so gives a Python's own libraries none of them.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define HIDDEN __attribute__((visibility("hidden")))

// glibc 2.32: whether a program has one thread, so that libstdc++ may count without atomic operations.
HIDDEN char __libc_single_threaded = 0;

// glibc 2.34: fork without handlers.
HIDDEN pid_t _Fork(void) {
#ifdef SYS_fork
    return (pid_t)syscall(SYS_fork);
#else
    return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
#endif
}

// glibc 2.32.
HIDDEN const char* sigabbrev_np(int number) {
    static const char* const names[] = {
        [SIGHUP] = "HUP",       [SIGINT] = "INT",     [SIGQUIT] = "QUIT", [SIGILL] = "ILL",
        [SIGTRAP] = "TRAP",     [SIGABRT] = "ABRT",   [SIGBUS] = "BUS",   [SIGFPE] = "FPE",
        [SIGKILL] = "KILL",     [SIGUSR1] = "USR1",   [SIGSEGV] = "SEGV", [SIGUSR2] = "USR2",
        [SIGPIPE] = "PIPE",     [SIGALRM] = "ALRM",   [SIGTERM] = "TERM", [SIGCHLD] = "CHLD",
        [SIGSTKFLT] = "STKFLT", [SIGCONT] = "CONT",   [SIGSTOP] = "STOP", [SIGTSTP] = "TSTP",
        [SIGTTIN] = "TTIN",     [SIGTTOU] = "TTOU",   [SIGURG] = "URG",   [SIGXCPU] = "XCPU",
        [SIGXFSZ] = "XFSZ",     [SIGPWR] = "PWR",     [SIGPROF] = "PROF", [SIGSYS] = "SYS",
        [SIGVTALRM] = "VTALRM", [SIGWINCH] = "WINCH", [SIGIO] = "POLL"};
    return number > 0 && (size_t)number < sizeof names / sizeof *names ? names[number] : NULL;
}

// glibc 2.36; libstdc++'s random_device.
HIDDEN unsigned arc4random(void) {
    unsigned value;
    while (getrandom(&value, sizeof value, 0) != (ssize_t)sizeof value) {
        if (errno != EINTR) {
            abort();
        }
    }
    return value;
}

// glibc 2.30; std::condition_variable. Where the program runs on an older one, it looks at the clock ten
// times a second; whoever waits looks at its condition meanwhile, as POSIX has it wake up for no reason.
typedef int Wait(pthread_cond_t*, pthread_mutex_t*, clockid_t, const struct timespec*);

HIDDEN int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                                  const struct timespec* until) {
    Wait* const newer = (Wait*)dlsym(RTLD_DEFAULT, "pthread_cond_clockwait");
    if (newer != NULL) {
        return newer(condition, mutex, clock, until);
    }
    const long kSecond = 1000000000;
    struct timespec now;
    struct timespec slice;
    clock_gettime(clock, &now);
    if (now.tv_sec > until->tv_sec || (now.tv_sec == until->tv_sec && now.tv_nsec >= until->tv_nsec)) {
        return ETIMEDOUT;
    }
    clock_gettime(CLOCK_REALTIME, &slice);
    slice.tv_nsec += kSecond / 10;
    slice.tv_sec += slice.tv_nsec / kSecond;
    slice.tv_nsec %= kSecond;
    const int woken = pthread_cond_timedwait(condition, mutex, &slice);
    return woken == ETIMEDOUT ? 0 : woken;
}

// glibc 2.35; libgcc looks up by it how to unwind, when an exception is thrown. The structure is that of
// <dlfcn.h> on x86-64 and aarch64; libgcc reads dlfo_eh_frame.
struct dl_find_object {
    unsigned long long dlfo_flags;
    void* dlfo_map_start;
    void* dlfo_map_end;
    struct link_map* dlfo_link_map;
    void* dlfo_eh_frame;
    unsigned long long reserved[7];
};

struct search {
    ElfW(Addr) wanted;
    struct dl_find_object* found;
};

static int look_into(struct dl_phdr_info* object, size_t size, void* data) {
    struct search* const search = data;
    (void)size;
    int is_it = 0;
    void* frames = NULL;
    for (int i = 0; i < object->dlpi_phnum; ++i) {
        const ElfW(Phdr)* const part = &object->dlpi_phdr[i];
        const ElfW(Addr) start = object->dlpi_addr + part->p_vaddr;
        if (part->p_type == PT_LOAD && search->wanted >= start && search->wanted - start < part->p_memsz) {
            is_it = 1;
            search->found->dlfo_map_start = (void*)start;
            search->found->dlfo_map_end = (void*)(start + part->p_memsz);
        } else if (part->p_type == PT_GNU_EH_FRAME) {
            frames = (void*)start;
        }
    }
    search->found->dlfo_eh_frame = frames;
    return is_it && frames != NULL;
}

HIDDEN int _dl_find_object(void* address, struct dl_find_object* result) {
    struct search search = {(ElfW(Addr))address, result};
    result->dlfo_flags = 0;
    result->dlfo_link_map = NULL;
    return dl_iterate_phdr(look_into, &search) ? 0 : -1;
}
