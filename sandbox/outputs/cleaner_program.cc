// Shut in, then work.
#include "sandbox/outputs/cleaner_program.h"

#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <fstream>
#include <memory>
#include <optional>

#include "sandbox/outputs/cleaner_frames.h"
#include "sandbox/outputs/cleaning.h"

namespace cellblock::sandbox {

namespace {

constexpr int kNotShutIn = 3;
constexpr int kBadFrame = 4;
constexpr rlim_t kMemory = 512U << 20;  // beside the program itself
constexpr int kSeconds = 20;            // of processor time for a task; the host's patience is shorter
constexpr std::size_t kLarge = 1U << 20;

// None of these reaches anything outside of the process but its one socket.
constexpr auto kCalls = std::to_array<const char*>({"read",
                                                    "write",
                                                    "recvfrom",
                                                    "sendto",
                                                    "poll",
                                                    "ppoll",
                                                    "brk",
                                                    "munmap",
                                                    "mremap",
                                                    "madvise",
                                                    "futex",
                                                    "clock_gettime",
                                                    "gettimeofday",
                                                    "time",
                                                    "setitimer",
                                                    "rt_sigreturn",
                                                    "rt_sigprocmask",
                                                    "sched_yield",
                                                    "restart_syscall",
                                                    "exit",
                                                    "exit_group"});

#if defined(CELLBLOCK_SANITIZE)
// UBSan asks by a pipe whether an object's type may be read, and ends the process where it gets none.
constexpr auto kCallsOfSanitizers = std::to_array<const char*>({"pipe2", "close"});
constexpr rlim_t kFilesOfSanitizers = 2;
#else
constexpr std::array<const char*, 0> kCallsOfSanitizers{};
constexpr rlim_t kFilesOfSanitizers = 0;
#endif

bool filter_calls() {
    const std::unique_ptr<void, decltype(&seccomp_release)> filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)),
                                                                   &seccomp_release);
    if (!filter) {
        return false;
    }
    bool good = seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0;
    const auto allow = [&](const char* name) {
        if (const int number = seccomp_syscall_resolve_name(name); number != __NR_SCMP_ERROR) {
            good = seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, number, 0, nullptr) == 0 && good;
        }
    };
    std::for_each(kCalls.begin(), kCalls.end(), allow);
    std::for_each(kCallsOfSanitizers.begin(), kCallsOfSanitizers.end(), allow);
    // Memory of its own, never to be executed.
    const std::array<scmp_arg_cmp, 2> own{scmp_arg_cmp{2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0},
                                          scmp_arg_cmp{3, SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS}};
    good = seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, seccomp_syscall_resolve_name("mmap"), 2,
                                  own.data()) == 0 &&
           good;
    good = seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, seccomp_syscall_resolve_name("mprotect"), 1,
                                  own.data()) == 0 &&
           good;
    return good && seccomp_load(filter.get()) == 0;
}

bool limit(int resource, rlim_t value) {
    const rlimit wanted{value, value};
    return ::setrlimit(static_cast<__rlimit_resource_t>(resource), &wanted) == 0;
}

rlim_t pages_now() {
    std::ifstream file("/proc/self/statm");
    rlim_t pages = 0;
    file >> pages;
    return pages;
}

bool shut_in(int socket) {
    // If the host is killed while this loops.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::ofstream("/proc/self/oom_score_adj") << "800";
    const auto page = static_cast<rlim_t>(::sysconf(_SC_PAGESIZE));
    if (!limit(RLIMIT_AS, pages_now() * page + kMemory)) {
        return false;
    }
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        ::close(standard);
    }
    return limit(RLIMIT_NOFILE, static_cast<rlim_t>(socket) + 1 + kFilesOfSanitizers) &&
           limit(RLIMIT_CORE, 0) && limit(RLIMIT_NPROC, 0) && limit(RLIMIT_FSIZE, 0) &&
           limit(RLIMIT_MEMLOCK, 0) && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && filter_calls();
}

// What libraries load or ask for at their first use, while they still may.
void warm_up() {
    CleaningRules rules{
        OutputRules{HtmlRule::sanitize,
                    {"text/html", "image/svg+xml", "text/markdown", "text/latex", "text/plain"},
                    {"jupyter.widget"}}};
    CleaningTask task;
    task.parts = {
        {"text/html",
         R"(<style>p {color: red}</style><p style="color: red">&eacute;&#8364;ü</p><svg><g/></svg>)"},
        {"image/svg+xml", R"(<svg xmlns="http://www.w3.org/2000/svg"><text>ü&#8364;</text></svg>)"},
        {"text/markdown", "# *a* ![b](c)"},
        {"text/latex", "$\\alpha$"},
        {"metadata", RawJson{R"({"a": [1.5, "b"]})"}}};
    (void)rules.clean(std::move(task));
}

void set_timer(int seconds) {
    const itimerval time{{0, 0}, {seconds, 0}};
    ::setitimer(ITIMER_PROF, &time, nullptr);
}

void wait_for(int fd, short what) {
    pollfd waiting{fd, what, 0};
    ::poll(&waiting, 1, -1);
}

bool send_all(int fd, OutgoingFrame frame) {
    FrameWriter writer;
    if (!writer.push(std::move(frame))) {
        return false;
    }
    while (true) {
        if (!writer.flush(fd)) {
            return false;
        }
        if (writer.empty()) {
            return true;
        }
        wait_for(fd, POLLOUT);
    }
}

}  // namespace

int serve_cleaner(UniqueFd socket) {
    warm_up();
    if (!shut_in(socket.get())) {
        return kNotShutIn;
    }
    FrameReader reader(kCleanerBounds);
    std::optional<CleaningRules> rules;
    while (true) {
        Frame frame;
        const auto state = reader.read(socket.get(), frame);
        if (!state || *state == ReadState::end_of_file) {
            return state ? 0 : kBadFrame;
        }
        if (*state == ReadState::would_block) {
            wait_for(socket.get(), POLLIN);
            continue;
        }
        if (!rules) {
            const auto given = decode_rules(frame);
            if (!given) {
                return kBadFrame;
            }
            rules.emplace(*given);
            continue;
        }
        const bool large = frame.bytes > kLarge;
        auto task = decode_task(std::move(frame));
        if (!task) {
            return kBadFrame;
        }
        set_timer(kSeconds);
        // In one piece: the filter lets send() through, and no sendmsg().
        OutgoingFrame answer(encode_cleaned(rules->clean(std::move(*task))).joined());
        set_timer(0);
        if (!send_all(socket.get(), std::move(answer))) {
            return 0;
        }
        if (large) {
            ::malloc_trim(0);
        }
    }
}

}  // namespace cellblock::sandbox
