// fork, exec, a few descriptors.
#include "sandbox/base/own_program.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "sandbox/api/unique_fd.h"
#include "sandbox/base/file_limit.h"
#include "sandbox/base/pointers.h"
#include "sandbox/base/resources.h"

namespace cellblock::sandbox::relay {

namespace {

constexpr const char* kStep = "start another cellblock";
constexpr int kFirstFree = 10;  // above what is given a meaning

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
    ::syscall(SYS_close_range, next, ~0U, 0);
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
    auto program = cellblock_program();
    if (!program) {
        return program.error();
    }
    std::vector<UniqueFd> raised;
    for (const int fd : wanted.descriptors) {
        raised.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, kFirstFree));
        if (!raised.back().valid()) {
            return errno_error(kStep, "Too many files are open in this program");
        }
    }
    const auto own = wanted.environment ? pointers(*wanted.environment) : std::vector<char*>();
    char* const* environment = wanted.environment ? own.data() : ::environ;
    const pid_t pid = ::_Fork();
    if (pid == 0) {
        become(program->c_str(), wanted, raised, environment);
    }
    return pid > 0 ? Result<pid_t>(pid) : errno_error(kStep, "The limit on processes may be reached");
}

}  // namespace cellblock::sandbox::relay
