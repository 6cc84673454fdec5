// posix_spawn, two pipes, a deadline.
#include "sandbox/relay/run_command.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <tuple>

#include "sandbox/api/unique_fd.h"
#include "sandbox/base/file_limit.h"
#include "sandbox/base/pointers.h"
#include "sandbox/base/process_end.h"
#include "sandbox/base/process_text.h"

namespace cellblock::sandbox::relay {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostOutput = 256U << 10;
constexpr std::chrono::seconds kTimeToDie{5};  // of one that was killed; what is stuck in the kernel is left

std::chrono::milliseconds left_of(Clock::time_point until) {
    return std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
}

struct Pipe {
    UniqueFd read;
    UniqueFd write;
};

Pipe make_pipe() {
    std::array<int, 2> ends{-1, -1};
    std::ignore = ::pipe2(ends.data(), O_CLOEXEC);
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// False at the end of file.
bool take(int fd, std::string& text) {
    std::array<char, 4096> part{};
    const ssize_t got = ::read(fd, part.data(), part.size());
    if (got > 0 && text.size() < kMostOutput) {
        text.append(part.data(), static_cast<std::size_t>(got));
    }
    return got > 0 || (got < 0 && errno == EINTR);
}

// Until both ends are closed. False: time is up.
bool read_all(std::array<pollfd, 2> ends, std::array<std::string*, 2> texts, Clock::time_point until) {
    while (ends[0].fd >= 0 || ends[1].fd >= 0) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
        const int ready = left > 0 ? ::poll(ends.data(), ends.size(), static_cast<int>(left)) : 0;
        if (ready == 0 || (ready < 0 && errno != EINTR)) {
            return false;
        }
        if (ready < 0) {
            continue;  // it has told of neither
        }
        for (std::size_t i = 0; i < ends.size(); ++i) {
            if (ends[i].revents != 0 && !take(ends[i].fd, *texts[i])) {
                ends[i].fd = -1;
            }
        }
    }
    return true;
}

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
    return failed;
}

}  // namespace

CommandResult run_command(const std::vector<std::string>& argv, std::chrono::milliseconds patience) {
    Pipe output = make_pipe();
    Pipe errors = make_pipe();
    pid_t child = -1;
    if (const int failed = spawn(argv, output.write.get(), errors.write.get(), child); failed != 0) {
        return {false, {}, "can't run " + argv[0] + ": " + std::strerror(failed)};
    }
    give_back_file_limit(child);
    output.write.reset();
    errors.write.reset();
    CommandResult result;
    std::string said;
    const UniqueFd handle(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
    const auto until = Clock::now() + patience;
    const bool closed = read_all({pollfd{output.read.get(), POLLIN, 0}, pollfd{errors.read.get(), POLLIN, 0}},
                                 {&result.output, &said}, until);
    // A program may close both and go on.
    bool ended = closed && ends_within(handle.get(), left_of(until));
    if (!ended) {
        ::kill(-child, SIGKILL);
        (void)ends_within(handle.get(), kTimeToDie);
    }
    int status = 0;
    ended = ::waitpid(child, &status, WNOHANG) == child && ended;
    result.ok = ended && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!result.ok) {
        result.why = !ended ? argv[0] + " gave no answer in time"
                            : argv[0] + ": " + printable(said.empty() ? result.output : said);
    }
    return result;
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

}  // namespace cellblock::sandbox::relay
