// A script in Python's place (a pyenv shim, say) is asked where Python is.
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>

#include "sandbox/base/pipe.h"
#include "sandbox/jail/python_home.h"

extern char** environ;

namespace cellblock::sandbox::jail {

namespace {

constexpr std::chrono::seconds kTimeToAnswer{10};
constexpr std::size_t kMaxAnswer = 4096;

// Reads until end of file; false when time or size ran out.
bool read_answer(int fd, std::string& answer) {
    const auto end = std::chrono::steady_clock::now() + kTimeToAnswer;
    while (answer.size() < kMaxAnswer) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        pollfd wanted{fd, POLLIN, 0};
        if (left.count() <= 0 || ::poll(&wanted, 1, static_cast<int>(left.count())) < 0) {
            return false;
        }
        std::array<char, 512> part{};
        const ssize_t size = ::read(fd, part.data(), part.size());
        if (size <= 0) {
            return size == 0;
        }
        answer.append(part.data(), static_cast<std::size_t>(size));
    }
    return false;
}

pid_t launch(const std::string& path, int output) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, output, 1);
    ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    std::string program = path;
    std::string isolated = "-I";
    std::string command = "-c";
    std::string code = "import sys; print(sys.executable)";
    const std::array<char*, 5> argv{program.data(), isolated.data(), command.data(), code.data(), nullptr};
    pid_t child = -1;
    const int failed = ::posix_spawn(&child, path.c_str(), &actions, &attributes, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    errno = failed;
    return failed == 0 ? child : -1;
}

}  // namespace

Result<std::string> ask_python_script(const std::string& path) {
    const std::string step = "ask the script " + path + " which Python it stands for";
    const std::string remedy = "Set the policy's key \"python\" (or --python) to the Python itself";
    CELLBLOCK_ASSIGN_OR_RETURN(auto pipe, make_pipe(step));
    const pid_t child = launch(path, pipe.write.get());
    if (child < 0) {
        return errno_error(step, remedy);
    }
    pipe.write.reset();
    std::string answer;
    const bool whole = read_answer(pipe.read.get(), answer);
    ::kill(-child, SIGKILL);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    while (!answer.empty() && (answer.back() == '\n' || answer.back() == '\r')) {
        answer.pop_back();
    }
    if (!whole || answer.empty() || answer.front() != '/' || answer == path) {
        return Error{step, 0, whole ? "it gave no answer" : "it took too long", remedy};
    }
    return answer;
}

}  // namespace cellblock::sandbox::jail
