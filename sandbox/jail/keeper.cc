// The keeper's process.
#include "sandbox/jail/keeper.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <string>

#include "sandbox/base/children.h"
#include "sandbox/base/process.h"
#include "sandbox/base/socket.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/jail/attendant.h"
#include "sandbox/jail/enter.h"
#include "sandbox/jail/error_messages.h"
#include "sandbox/jail/memory_watch.h"
#include "sandbox/jail/spawn.h"

namespace cellblock::sandbox::jail {

namespace {

constexpr const char* kStep = "start a Python to keep warm";
constexpr int kSetupFailed = 125;
constexpr int kPythonsSocket = 3;
constexpr char kImportsEnded = 'r';  // to the keeper
constexpr char kPython = 'p';        // from the keeper; beside it the pidfd
constexpr char kTooMuchMemory = 'm';
constexpr char kTooManyProcesses = 'n';
constexpr std::size_t kMostProcesses = 256;  // during the imports
constexpr int kLookMilliseconds = 100;

std::size_t count_processes() {
    DIR* folder = ::opendir("/proc");
    std::size_t count = 0;
    while (const dirent* entry = folder != nullptr ? ::readdir(folder) : nullptr) {
        count += std::isdigit(static_cast<unsigned char>(entry->d_name[0])) != 0 ? 1 : 0;
    }
    if (folder != nullptr) {
        ::closedir(folder);
    }
    return count;
}

class KeeperProcess {
public:
    KeeperProcess(int control, std::uint64_t memory_bytes) : control_(control), watch_(memory_bytes) {}

    [[noreturn]] void run(const JailPlan& plan) {
        sigset_t ends;
        ::sigemptyset(&ends);
        ::sigaddset(&ends, SIGCHLD);
        ::sigprocmask(SIG_BLOCK, &ends, nullptr);
        const int children = ::signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
        start_python(plan);
        while (true) {
            pollfd wanted[2] = {{children, POLLIN, 0}, {control_, POLLIN, 0}};
            ::poll(wanted, 2, imports_ ? kLookMilliseconds : -1);
            signalfd_siginfo ignored{};
            while (::read(children, &ignored, sizeof ignored) > 0) {
            }
            reap();
            if (wanted[1].revents != 0) {
                obey();
            }
            if (imports_) {
                bound_imports();
            }
        }
    }

private:
    void start_python(const JailPlan& plan) {
        int pidfd = -1;
        python_ = ::_Fork();
        if (python_ == 0) {
            default_signals();
            ::execve(plan.argv[0], plan.argv.data(), plan.envp.data());
            ::_exit(kSetupFailed);
        }
        pidfd = python_ > 0 ? static_cast<int>(::syscall(SYS_pidfd_open, python_, 0)) : -1;
        if (pidfd >= 0) {
            (void)send_with_descriptors(control_, {&kPython, 1}, {&pidfd, 1});
            ::close(pidfd);
        }
        ::close(kPythonsSocket);
    }

    // The last one's end is ours.
    void reap() {
        int status = 0;
        pid_t ended = 0;
        while ((ended = ::waitpid(-1, &status, WNOHANG)) > 0) {
            if (ended == python_) {
                python_ = -1;
                imports_ ? kill_all() : void();
            }
        }
        if (ended < 0 && errno == ECHILD) {
            ::_exit(0);
        }
    }

    void obey() {
        char command = 0;
        const ssize_t size = ::recv(control_, &command, 1, MSG_DONTWAIT);
        if (size == 1 && command == kImportsEnded) {
            imports_ = false;
        }
        if (size != 0) {
            return;
        }
        ::close(control_);
        control_ = -1;
        if (imports_) {
            kill_all();
        } else if (python_ > 0) {
            ::kill(python_, SIGKILL);
        }
    }

    void bound_imports() const {
        if (count_processes() > kMostProcesses) {
            stop_imports(kTooManyProcesses);
        } else if (watch_.is_on() && watch_.look().victim != 0) {
            stop_imports(kTooMuchMemory);
        }
    }

    void stop_imports(char why) const {
        (void)::send(control_, &why, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        kill_all();
    }

    static void kill_all() { ::kill(-1, SIGKILL); }

    int control_;
    MemoryWatch watch_;
    pid_t python_ = -1;
    bool imports_ = true;
};

struct KeeperEnds {
    int control;
    int socket;
    int output;
    int attendant;
};

[[noreturn]] void be_keeper(const JailPlan& plan, const KeeperEnds& ends, std::uint64_t memory_bytes) {
    int keep[] = {ends.control, ends.socket, ends.output, ends.attendant};
    close_all_but(keep);
    default_signals();
    ::prctl(PR_SET_NAME, "cellblock-keep", 0, 0, 0);
    const Failure failure = enter_as_keeper(plan, {ends.socket, ends.output, -1, ends.attendant});
    for (const int fd : {ends.attendant, ends.socket, ends.output}) {
        ::close(fd);  // the Python's are 1 to 3
    }
    // Its memory is a copy of the host's.
    if (failure.happened() || ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        (void)::send(ends.control, &failure, sizeof failure, MSG_NOSIGNAL | MSG_DONTWAIT);
        ::_exit(kSetupFailed);
    }
    KeeperProcess(ends.control, memory_bytes).run(plan);
}

}  // namespace

Result<Keeper> start_keeper(const JailPlan& plan, int socket, std::uint64_t memory_bytes) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto ends, make_ends());
    CELLBLOCK_ASSIGN_OR_RETURN(auto attendant, start_attendant(plan, -1));
    const UniqueFd socket_above(::fcntl(socket, F_DUPFD_CLOEXEC, kFirstFree));
    int told[2] = {-1, -1};
    if (!socket_above.valid() || ::pipe2(told, O_CLOEXEC) != 0) {
        return errno_error(kStep);
    }
    const UniqueFd reads(told[0]);
    UniqueFd writes(told[1]);
    // By libc's own fork, since the keeper uses memory of its own. Who is between ends at once, and the
    // keeper is a child of ours.
    const pid_t between = ::fork();
    if (between == 0) {
        int pidfd = -1;
        const pid_t keeper = clone_into(CLONE_PARENT | CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID |
                                            CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET,
                                        pidfd);
        if (keeper == 0) {
            be_keeper(
                plan,
                {ends.control.theirs.get(), socket_above.get(), ends.output.theirs.get(), attendant.get()},
                memory_bytes);
        }
        const std::int32_t answer = keeper > 0 ? keeper : -errno;
        (void)write_all(writes.get(), reinterpret_cast<const char*>(&answer), sizeof answer);
        ::_exit(0);
    }
    writes.reset();
    std::int32_t keeper = -EAGAIN;
    if (between > 0) {
        while (::read(reads.get(), &keeper, sizeof keeper) < 0 && errno == EINTR) {
        }
        while (::waitpid(between, nullptr, 0) < 0 && errno == EINTR) {
        }
    }
    if (keeper < 0) {
        return Error{kStep, -keeper, "its jail's namespaces can't be made", {}};
    }
    collect_later(keeper);
    Keeper made;
    made.process = open_pidfd(keeper);
    if (plan.identity.mapped_by_attendant) {
        const std::string path = "/proc/" + std::to_string(keeper) + "/ns/user";
        made.user_namespace.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    }
    if (!made.process.valid() || (plan.identity.mapped_by_attendant && !made.user_namespace.valid())) {
        return errno_error(kStep, "It ended at once");
    }
    made.control = std::move(ends.control.ours);
    made.output = std::move(ends.output.ours);
    return made;
}

UniqueFd keepers_python(const Keeper& keeper) {
    char first = 0;
    Received received = receive_with_descriptors(keeper.control.get(), {&first, 1});
    return received.size == 1 && received.descriptors.size() == 1 ? std::move(received.descriptors.front())
                                                                  : UniqueFd();
}

std::string keepers_reason(const Keeper& keeper, const JailPlan& plan) {
    while (true) {
        Failure failure;
        const ssize_t size = ::recv(keeper.control.get(), &failure, sizeof failure, MSG_DONTWAIT);
        if (size == static_cast<ssize_t>(sizeof failure)) {
            return setup_error(plan, failure).text();
        }
        char first = 0;
        std::memcpy(&first, &failure, 1);
        if (size == 1 && first != kPython) {
            return first == kTooMuchMemory ? "its imports take too much memory"
                                           : "its imports make too many processes";
        }
        if (size <= 0) {
            return {};
        }
    }
}

void end_of_imports(const Keeper& keeper) {
    (void)::send(keeper.control.get(), &kImportsEnded, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace cellblock::sandbox::jail
