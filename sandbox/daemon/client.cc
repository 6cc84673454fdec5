// Asking the daemon; starting one.
#include "sandbox/daemon/client.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "sandbox/base/pointers.h"
#include "sandbox/base/resources.h"
#include "sandbox/base/sha256.h"
#include "sandbox/channel/messages.h"
#include "sandbox/daemon/message.h"
#include "sandbox/daemon/place.h"
#include "sandbox/daemon/settings.h"
#include "sandbox/daemon/spare.h"
#include "sandbox/jail/plan_bytes.h"

namespace cellblock::sandbox::daemon {

namespace {

constexpr const char* kStep = "ask the daemon";
constexpr std::chrono::seconds kPatience{2};
constexpr std::chrono::seconds kLongestWait{10};  // in a queue; the caller does nothing else meanwhile
constexpr off_t kMaxLog = 1 << 20;

// --- starting one

UniqueFd open_log(const Place& place) {
    UniqueFd log(::openat(place.folder.get(), (context_name() + ".log").c_str(),
                          O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600));
    struct stat info {};
    if (log.valid() && ::fstat(log.get(), &info) == 0 && info.st_size > kMaxLog) {
        (void)::ftruncate(log.get(), 0);
    }
    return log;
}

[[noreturn]] void become_daemon(int client, int log, const char* const* argv, const char* const* envp) {
    constexpr int kClient = 3;
    ::setsid();
    if (::_Fork() != 0) {
        ::_exit(0);
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (::dup2(null, 0) == 0 && ::dup2(log, 1) == 1 && ::dup2(log, 2) == 2 &&
        ::dup2(client, kClient) == kClient && ::close_range(kClient + 1, ~0U, 0) == 0 && ::chdir("/") == 0) {
        ::execve(argv[0], const_cast<char* const*>(argv), const_cast<char* const*>(envp));
    }
    ::_exit(127);
}

Status start_daemon(const Place& place, const ZygoteSpec& spec) {
    if (auto settings = load_settings(); !settings) {
        return settings.error();
    }
    auto program = cellblock_program();
    if (!program) {
        return program.error();
    }
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
        return errno_error("start the daemon");
    }
    const UniqueFd ours(ends[0]);
    const UniqueFd theirs(ends[1]);
    if (auto sent = send_message(ours.get(), to_bytes({Verb::prepare, spec, {}})); !sent) {
        return sent.error();
    }
    const UniqueFd client(::fcntl(theirs.get(), F_DUPFD_CLOEXEC, 10));
    const UniqueFd written(open_log(place));
    const UniqueFd log(::fcntl(written.get(), F_DUPFD_CLOEXEC, 10));
    std::vector<std::string> variables{"PATH=/usr/bin:/bin"};
    for (const char* name : {"XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "HOME"}) {
        if (const char* value = std::getenv(name); value != nullptr) {
            variables.push_back(std::string(name) + "=" + value);
        }
    }
    const auto envp = pointers(variables);
    const char* const argv[] = {program->c_str(), "daemon", "--client=3", nullptr};
    const pid_t pid = log.valid() ? ::_Fork() : -1;
    if (pid == 0) {
        become_daemon(client.get(), log.get(), argv, envp.data());
    }
    while (pid > 0 && ::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return pid > 0 ? Status(Ok{}) : errno_error("start the daemon");
}

// --- asking one

Result<UniqueFd> connect_or_start(const ZygoteSpec& spec) {
    auto place = open_place();
    if (!place) {
        return place.error();
    }
    auto socket = connect_to(*place, context_name());
    if (socket || (socket.error().code != ENOENT && socket.error().code != ECONNREFUSED)) {
        return socket;
    }
    if (auto started = start_daemon(*place, spec); !started) {
        return started.error();
    }
    return Error{kStep, 0, "it was started just now and has no warm Python yet", {}};
}

// --- what it is asked for

Result<ZygoteSpec> spec_for(const Policy& policy, const jail::JailPlan& plan, const jail::PythonHome& python,
                            const std::string& worker_folder) {
    if (plan.contained) {
        return Error{"start warm", 0, "without namespaces each sandbox starts cold", {}};
    }
    auto library = jail_library();
    if (!library) {
        return library.error();
    }
    return ZygoteSpec{python.program, python.prefixes, policy.preload,
                      worker_folder,  *library,        plan.environment};
}

// The files that a plan shows might be others by now under the same names.
std::string sources_of(const jail::JailPlan& plan) {
    std::string text;
    for (const auto& step : plan.files) {
        struct stat info {};
        if (!step.source.empty() && ::stat(step.source.c_str(), &info) == 0) {
            text += std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino);
        }
        text += '\n';
    }
    return sha256(text);
}

Recipe recipe_for(const Policy& policy, const StartOptions& options, const jail::JailPlan& plan) {
    Recipe recipe;
    recipe.configure = encode_configure(policy);
    recipe.debugger = offers_debugger(policy);
    recipe.memory_bytes = policy.limits.memory_bytes;
    recipe.processes = policy.limits.processes;
    recipe.cpus = policy.limits.cpus;
    recipe.sources = sources_of(plan);
    if (options.packages.empty()) {  // else it shows a folder that no other session has
        recipe.ready = policy.pool.ready;
        recipe.most = policy.pool.most;
    }
    return recipe;
}

Result<WarmSandbox> read_given(Message& answer) {
    const auto given = given_from(std::string_view(answer.bytes).substr(1));
    auto cgroup = given ? jail::Cgroup::from_bytes(given->cgroup) : std::nullopt;
    auto& fds = answer.descriptors;
    if (!cgroup || fds.size() < kGivenDescriptors || fds.size() > kGivenDescriptors + 1) {
        return Error{kStep, 0, "its answer can't be read", {}};
    }
    WarmSandbox warm;
    warm.cgroup = std::move(*cgroup);
    warm.jail = {given->supervisor, std::move(fds[0]), std::move(fds[1]), std::move(fds[2])};
    warm.worker.worker = std::move(fds[3]);
    if (fds.size() > kGivenDescriptors) {
        warm.worker.debugger = std::move(fds[kGivenDescriptors]);
    }
    return warm;
}

Result<Claimed> ask(const Policy& policy, const StartOptions& options, const jail::JailPlan& plan,
                    const ZygoteSpec& spec) {
    auto daemon = connect_or_start(spec);
    if (!daemon) {
        return daemon.error();
    }
    auto file = as_file(jail::plan_to_bytes(plan));
    if (!file) {
        return file.error();
    }
    const std::array<int, 1> beside{file->get()};
    const Request request{Verb::claim, spec, recipe_for(policy, options, plan)};
    if (auto sent = send_message(daemon->get(), to_bytes(request), beside); !sent) {
        return sent.error();
    }
    auto answer = receive_message(daemon->get(), kPatience);
    if (answer && answer->bytes.front() == kWait) {
        answer = receive_message(daemon->get(),
                                 std::min<std::chrono::milliseconds>(policy.limits.start_time, kLongestWait));
    }
    if (!answer) {
        return answer.error();
    }
    const std::string reason = answer->bytes.substr(1);
    switch (answer->bytes.front()) {
        case kGiven: {
            auto given = read_given(*answer);
            return given ? Result<Claimed>(std::move(*given)) : Result<Claimed>(given.error());
        }
        case kFull:
            return Claimed(NoneMore{Error{"start a sandbox", 0, reason, {}}});
        default:
            return Error{kStep, 0, reason, {}};
    }
}

}  // namespace

bool is_wanted(const Policy& policy) {
    const char* said = std::getenv("CELLBLOCK_DAEMON");
    if (said == nullptr || *said == '\0') {
        return policy.warm;
    }
    return std::strcmp(said, "0") != 0;
}

Claimed claim(const Policy& policy, const StartOptions& options, const jail::JailPlan& plan,
              const jail::PythonHome& python, const std::string& worker_folder) {
    const auto spec = spec_for(policy, plan, python, worker_folder);
    auto claimed = spec ? ask(policy, options, plan, *spec) : Result<Claimed>(spec.error());
    return claimed ? std::move(*claimed) : Claimed(ColdStart{claimed.error().text()});
}

}  // namespace cellblock::sandbox::daemon
