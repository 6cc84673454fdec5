// Starting and ending the command.
#include "sandbox/relay/command.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "sandbox/base/pipe.h"
#include "sandbox/base/subprocess.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/base/text.h"
#include "sandbox/jail/cgroup_folders.h"

namespace cellblock::sandbox::relay {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kPause = 10ms;
constexpr auto kTimeToLeave = 2s;
constexpr auto kTimeToKill = 15s;   // for the spec's own way
constexpr auto kTimeToVanish = 5s;  // for what is below us

void default_signals() {
    for (int number = 1; number < NSIG; ++number) {
        ::signal(number, SIG_DFL);
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void give_up(const char* what) {
    const std::string text = std::string(what) + ": " + std::strerror(errno) + "\n";
    (void)write_all(STDERR_FILENO, text.data(), text.size());
    ::_exit(127);
}

// What lies in folders that the command's user may not enter.
bool mount_for_itself(const std::vector<std::string>& mounts) {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
        return false;
    }
    for (std::size_t i = 0; i + 1 < mounts.size(); i += 2) {
        if (::mount(mounts[i].c_str(), mounts[i + 1].c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) {
            return false;
        }
    }
    return true;
}

[[noreturn]] void become_command(const Spec& spec, int input, int output, int errors, pid_t parent) {
    ::dup2(input, STDIN_FILENO);
    ::dup2(output, STDOUT_FILENO);
    ::dup2(errors, STDERR_FILENO);
    ::setpgid(0, 0);
    for (const auto& file : spec.cgroup_files) {
        if (!write_file(file.c_str(), "0", 1)) {
            give_up("join the control group");
        }
    }
    if (!spec.mounts.empty() && !mount_for_itself(spec.mounts)) {
        give_up("show the host's files");
    }
    if (spec.user != 0 && !become(spec.user, spec.group)) {
        give_up("change the user");
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) {
        ::_exit(127);
    }
    default_signals();
    give_back_file_limit();
    ::execvp(spec.command[0].c_str(), pointers(spec.command).data());
    give_up(("run " + spec.command[0]).c_str());
}

// Also of what others left to us as the subreaper.
std::vector<pid_t> children() {
    std::vector<pid_t> found;
    std::ifstream file("/proc/self/task/" + std::to_string(::getpid()) + "/children");
    for (pid_t one = 0; file >> one;) {
        found.push_back(one);
    }
    return found;
}

void end_all_below() {
    const auto until = Clock::now() + kTimeToVanish;
    while (Clock::now() < until) {
        for (const pid_t one : children()) {
            ::kill(one, SIGKILL);
        }
        pid_t gone = 0;
        do {
            gone = ::waitpid(-1, nullptr, WNOHANG);
        } while (gone > 0);
        if (gone < 0 && errno == ECHILD) {
            return;
        }
        std::this_thread::sleep_for(kPause);
    }
}

void remove_places(const Spec& spec) {
    for (const auto& folder : spec.cgroup_folders) {
        jail::remove_cgroup(folder);
    }
    for (const auto& folder : spec.folders) {
        std::error_code ignored;
        std::filesystem::remove_all(folder, ignored);
    }
}

}  // namespace

Result<Command> start_command(const Spec& spec) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto input, make_pipe("start " + spec.command[0]));
    CELLBLOCK_ASSIGN_OR_RETURN(auto output, make_pipe("start " + spec.command[0]));
    CELLBLOCK_ASSIGN_OR_RETURN(auto errors, make_pipe("start " + spec.command[0]));
    Command command;
    const pid_t parent = ::getpid();
    command.process = ::fork();
    if (command.process == 0) {
        become_command(spec, input.read.get(), output.write.get(), errors.write.get(), parent);
    }
    if (command.process < 0) {
        return errno_error("start " + spec.command[0]);
    }
    ::setpgid(command.process, command.process);
    command.input = std::move(input.write);
    command.output = std::move(output.read);
    command.errors = std::move(errors.read);
    for (const auto* end : {&command.input, &command.output, &command.errors}) {
        ::fcntl(end->get(), F_SETFL, O_NONBLOCK);
    }
    return command;
}

std::string how_it_ended(Command& command, std::chrono::milliseconds patience) {
    const auto until = Clock::now() + patience;
    int status = 0;
    pid_t gone = 0;
    while ((gone = ::waitpid(command.process, &status, WNOHANG)) == 0 && Clock::now() < until) {
        std::this_thread::sleep_for(kPause);
    }
    if (gone != command.process) {
        return {};
    }
    command.process = -1;
    if (WIFSIGNALED(status)) {
        return "was ended by signal " + std::to_string(WTERMSIG(status));
    }
    return WEXITSTATUS(status) == 0 ? "" : "left with status " + std::to_string(WEXITSTATUS(status));
}

void start_detached(const std::vector<std::string>& argv) {
    if (!argv.empty() && ::fork() == 0) {
        const UniqueFd null(::open("/dev/null", O_RDWR));
        for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
            ::dup2(null.get(), fd);
        }
        default_signals();
        give_back_file_limit();
        ::execvp(argv[0].c_str(), pointers(argv).data());
        ::_exit(127);
    }
}

void end_command(Command& command, const Spec& spec, bool politely) {
    command.input.reset();
    if (politely && command.process > 0) {
        (void)how_it_ended(command, kTimeToLeave);
    }
    command.output.reset();
    if (command.process > 0) {
        ::kill(-command.process, SIGKILL);
        ::kill(command.process, SIGKILL);
    }
    end_all_below();  // before: a runtime waits for its processes' end, and they are ours to collect
    if (!spec.kill.empty()) {
        (void)output_of(spec.kill, kTimeToKill);
        end_all_below();
    }
    remove_places(spec);
}

void clear_away(const Spec& spec) {
    if (!spec.kill.empty()) {
        (void)output_of(spec.kill, kTimeToKill);
    }
    remove_places(spec);
}

}  // namespace cellblock::sandbox::relay
