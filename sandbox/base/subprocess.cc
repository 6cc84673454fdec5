// posix_spawn, pipes and a deadline; fork and exec for programs of cellblock's own.
#include "sandbox/base/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <sstream>

#include "sandbox/api/unique_fd.h"
#include "sandbox/base/pipe.h"
#include "sandbox/base/process.h"
#include "sandbox/base/resources.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/base/text.h"

namespace cellblock::sandbox {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kTimeToDie{
    5};  // of a killed program; a program that hangs in the kernel is left

std::chrono::milliseconds left_of(Clock::time_point until) {
    return std::max(std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()),
                    std::chrono::milliseconds(0));
}

// One of the program's output streams.
struct Stream {
    UniqueFd pipe;
    std::string text;
};

enum class Ending { closed, late, too_much };

// Reads until all streams are closed. A signal to us is no answer of the program.
Ending read_all(std::array<Stream, 2>& streams, std::size_t limit, bool cuts, Clock::time_point until) {
    std::array<char, 4096> part{};
    while (streams[0].pipe.valid() || streams[1].pipe.valid()) {
        const auto left = left_of(until);
        std::array<pollfd, 2> watched{
            {{streams[0].pipe.get(), POLLIN, 0}, {streams[1].pipe.get(), POLLIN, 0}}};
        const int ready =
            left.count() > 0 ? ::poll(watched.data(), watched.size(), static_cast<int>(left.count())) : 0;
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        if (ready <= 0) {
            return Ending::late;
        }
        for (std::size_t i = 0; i < watched.size(); ++i) {
            if (watched.at(i).revents == 0) {
                continue;
            }
            Stream& stream = streams.at(i);
            const ssize_t got = ::read(stream.pipe.get(), part.data(), part.size());
            if (got > 0) {
                stream.text.append(part.data(), static_cast<std::size_t>(got));
            } else if (got == 0 || errno != EINTR) {
                stream.pipe.reset();
            }
            if (stream.text.size() > limit) {
                if (!cuts) {
                    return Ending::too_much;
                }
                stream.text.resize(limit);
            }
        }
    }
    return Ending::closed;
}

// Gives posix_spawn's error number; 0 is success.
int spawn(const std::vector<std::string>& argv, int output, int errors, pid_t& child) {
    posix_spawn_file_actions_t actions{};
    posix_spawnattr_t attributes{};
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    const int failed =
        ::posix_spawnp(&child, argv[0].c_str(), &actions, &attributes, pointers(argv).data(), ::environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    if (failed == 0) {
        give_back_file_limit(child);
    }
    return failed;
}

struct Finished {
    Ending ending = Ending::closed;
    SubprocessOutput told;
};

Result<Finished> finish(const Subprocess& wanted) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto output, make_pipe("run " + wanted.argv[0]));
    CELLBLOCK_ASSIGN_OR_RETURN(auto errors, make_pipe("run " + wanted.argv[0]));
    const auto until = Clock::now() + wanted.time_limit;
    pid_t child = -1;
    const int to_errors = (wanted.joined ? output : errors).write.get();
    if (const int failed = spawn(wanted.argv, output.write.get(), to_errors, child); failed != 0) {
        return Error{"can't run " + wanted.argv[0], failed, {}, {}};
    }
    output.write.reset();
    errors.write.reset();
    const UniqueFd handle = open_pidfd(child);
    std::array<Stream, 2> streams{{{std::move(output.read), {}}, {std::move(errors.read), {}}}};
    Finished done;
    done.ending = read_all(streams, wanted.output_limit, wanted.cuts_output, until);
    // A program may close its output and go on.
    bool ended = done.ending == Ending::closed && ends_within(handle.get(), left_of(until));
    if (!ended) {
        done.ending = done.ending == Ending::closed ? Ending::late : done.ending;
        ::kill(-child, SIGKILL);
        ended = ends_within(handle.get(), kTimeToDie);
    }
    int status = 0;
    pid_t collected = -1;
    while ((collected = ::waitpid(child, &status, ended ? 0 : WNOHANG)) < 0 && errno == EINTR) {
    }
    if (collected < 0) {
        // Where SIGCHLD is ignored nobody is told how a child ended. That is no success.
        return errno_error("wait for " + wanted.argv[0], "The process that asks must not ignore SIGCHLD");
    }
    done.told = {WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status),
                 std::move(streams[0].text), std::move(streams[1].text)};
    return done;
}

}  // namespace

Result<SubprocessOutput> run_subprocess(const Subprocess& wanted) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto done, finish(wanted));
    if (done.ending != Ending::closed) {
        return Error{"run " + wanted.argv[0],
                     0,
                     done.ending == Ending::late ? "took too long" : "printed too much",
                     {}};
    }
    return std::move(done.told);
}

Result<std::string> output_of(const std::vector<std::string>& argv, std::chrono::milliseconds time_limit) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto done,
                               finish({.argv = argv, .time_limit = time_limit, .cuts_output = true}));
    if (done.ending != Ending::closed) {
        return Error{argv[0] + " gave no answer in time", 0, {}, {}};
    }
    auto& told = done.told;
    if (told.exit_status != 0) {
        return Error{argv[0], 0, printable(told.errors.empty() ? told.output : told.errors), {}};
    }
    return std::move(told.output);
}

std::string program_path(const std::string& name) {
    if (name.find('/') != std::string::npos) {
        return ::access(name.c_str(), X_OK) == 0 ? name : "";
    }
    const char* path = std::getenv("PATH");
    std::istringstream folders(path == nullptr ? "/usr/bin:/bin" : path);
    for (std::string folder; std::getline(folders, folder, ':');) {
        std::string program = folder + "/" + name;
        if (!folder.empty() && ::access(program.c_str(), X_OK) == 0) {
            return program;
        }
    }
    return {};
}

// --- a program of cellblock's own

namespace {

constexpr const char* kStep = "start a program of cellblock's own";
constexpr int kFirstFree = 10;  // above the numbers that are given a meaning

// Only async-signal-safe calls: other threads may have held locks.
[[noreturn]] void become(const char* program, const OwnProgram& wanted, const std::vector<UniqueFd>& raised,
                         char* const* environment) {
    int next = kFirstGiven;
    for (const auto& fd : raised) {
        ::dup2(fd.get(), next++);
    }
    const int null = ::open("/dev/null", O_RDWR);
    ::dup2(null, STDIN_FILENO);
    ::dup2(null, STDOUT_FILENO);
    close_range(static_cast<unsigned>(next), ~0U, 0);
    ::setsid();
    give_back_file_limit();
    for (const int number : {SIGPIPE, SIGHUP, SIGTERM, SIGINT}) {
        ::signal(number, SIG_DFL);
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    const std::array<const char*, 3> arguments{program, wanted.word, nullptr};
    ::execve(program, const_cast<char* const*>(arguments.data()), environment);
    ::_exit(127);
}

}  // namespace

Result<pid_t> start_own(const OwnProgram& wanted) {
    std::string program = wanted.program;
    if (program.empty()) {
        CELLBLOCK_ASSIGN_OR_RETURN(program, cellblock_program());
    }
    std::vector<UniqueFd> raised;
    for (const int fd : wanted.descriptors) {
        raised.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, kFirstFree));
        if (!raised.back().valid()) {
            return errno_error(kStep);
        }
    }
    const auto own = wanted.environment ? pointers(*wanted.environment) : std::vector<char*>();
    char* const* environment = wanted.environment ? own.data() : ::environ;
    const pid_t pid = ::_Fork();
    if (pid == 0) {
        become(program.c_str(), wanted, raised, environment);
    }
    return pid > 0 ? Result<pid_t>(pid) : errno_error(kStep, "The limit on processes may be reached");
}

// --- the limit on open files

namespace {

constexpr int kManyDescriptors = 1000;  // the table takes eight bytes for each

rlimit before{};
bool raised_limit = false;

}  // namespace

void raise_file_limit() {
    rlimit limit{};
    if (raised_limit || ::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    before = limit;
    limit.rlim_cur = limit.rlim_max;
    raised_limit = ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

void grow_descriptor_table() {
    UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const UniqueFd high(::fcntl(null.get(), F_DUPFD_CLOEXEC, kManyDescriptors));
}

void give_back_file_limit() {
    if (raised_limit) {
        ::setrlimit(RLIMIT_NOFILE, &before);
    }
}

void give_back_file_limit(pid_t child) {
    if (raised_limit) {
        ::prlimit(child, RLIMIT_NOFILE, &before, nullptr);
    }
}

}  // namespace cellblock::sandbox
