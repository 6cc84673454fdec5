// posix_spawn with a pipe and a deadline.
#include "kernel/cli/program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <string_view>

#include "sandbox/api/unique_fd.h"
#include "sandbox/base/file_limit.h"

namespace cellblock::kernel {

namespace {

using namespace sandbox;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostOutput = 256U << 10;

Result<pid_t> spawn(const std::vector<std::string>& argv, int output) {
    std::vector<char*> pointers;
    pointers.reserve(argv.size() + 1);
    for (const auto& part : argv) {
        pointers.push_back(const_cast<char*>(part.c_str()));
    }
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, output, 1);
    ::posix_spawn_file_actions_adddup2(&actions, output, 2);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);  // killed as a group
    pid_t pid = -1;
    const int failed =
        ::posix_spawn(&pid, argv.front().c_str(), &actions, &attributes, pointers.data(), environ);
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) {
        return Error{"run " + argv.front(), failed, {}, {}};
    }
    give_back_file_limit(pid);
    return pid;
}

// Reads until end of file; an Error when a bound is reached.
Result<std::string> read_output(int fd, Clock::time_point deadline) {
    std::string text;
    std::array<char, 4096> part{};
    for (;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        pollfd wait{fd, POLLIN, 0};
        const int ready = left > 0 ? ::poll(&wait, 1, static_cast<int>(left)) : 0;
        if (ready == 0) {
            return Error{"", 0, "took too long", {}};
        }
        const ssize_t got = ready > 0 ? ::read(fd, part.data(), part.size()) : -1;
        if (got < 0 && errno != EINTR) {
            return errno_error("read its output");
        }
        if (got == 0) {
            return text;
        }
        if (got > 0) {
            text.append(part.data(), static_cast<std::size_t>(got));
        }
        if (text.size() > kMostOutput) {
            return Error{"", 0, "printed too much", {}};
        }
    }
}

int reap(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

Result<ProgramOutput> run_program(const std::vector<std::string>& argv,
                                  std::chrono::milliseconds time_limit) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return errno_error("make a pipe");
    }
    UniqueFd ours(ends[0]);
    UniqueFd theirs(ends[1]);
    auto pid = spawn(argv, theirs.get());
    if (!pid) {
        return pid.error();
    }
    theirs.reset();
    auto text = read_output(ours.get(), Clock::now() + time_limit);
    ::kill(-*pid, SIGKILL);  // what is left of the group; its leader may be done already
    const int status = reap(*pid);
    if (!text) {
        auto error = text.error();
        error.step = "run " + argv.front();
        return error;
    }
    return ProgramOutput{status, std::move(*text)};
}

}  // namespace cellblock::kernel
