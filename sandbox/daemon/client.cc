// Asking the daemon; starting one.
#include "sandbox/daemon/client.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "sandbox/base/resources.h"
#include "sandbox/daemon/message.h"
#include "sandbox/daemon/place.h"
#include "sandbox/jail/plan_bytes.h"

namespace cellblock::sandbox::daemon {

namespace {

constexpr std::chrono::seconds kPatience{2};
constexpr off_t kMaxLog = 1 << 20;

Result<UniqueFd> as_file(const std::string& bytes) {
    UniqueFd file(::memfd_create("plan", MFD_CLOEXEC));
    if (!file.valid() ||
        ::write(file.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
        return errno_error("write the plan");
    }
    return file;
}

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
    if (auto sent = send_message(ours.get(), to_bytes({Verb::prepare, spec})); !sent) {
        return sent.error();
    }
    const UniqueFd client(::fcntl(theirs.get(), F_DUPFD_CLOEXEC, 10));
    const UniqueFd written(open_log(place));
    const UniqueFd log(::fcntl(written.get(), F_DUPFD_CLOEXEC, 10));
    const char* runtime = std::getenv("XDG_RUNTIME_DIR");
    const std::string folder = std::string("XDG_RUNTIME_DIR=") + (runtime == nullptr ? "" : runtime);
    const char* const argv[] = {program->c_str(), "daemon", "--client=3", nullptr};
    const char* const envp[] = {"PATH=/usr/bin:/bin", folder.c_str(), nullptr};
    const pid_t pid = log.valid() ? ::_Fork() : -1;
    if (pid == 0) {
        become_daemon(client.get(), log.get(), argv, envp);
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
    return Error{"ask the daemon", 0, "it was started just now and has no warm Python yet", {}};
}

Result<jail::SpawnedJail> read_answer(Message& answer) {
    const std::string& bytes = answer.bytes;
    if (bytes.front() != kGiven) {
        return Error{"ask the daemon", 0, bytes.substr(1), {}};
    }
    std::int32_t pid = 0;
    if (bytes.size() != 1 + sizeof pid || answer.descriptors.size() != 1) {
        return Error{"ask the daemon", 0, "its answer can't be read", {}};
    }
    std::memcpy(&pid, bytes.data() + 1, sizeof pid);
    jail::SpawnedJail jail;
    jail.supervisor = pid;
    jail.process = std::move(answer.descriptors.front());
    return jail;
}

}  // namespace

bool is_wanted(const Policy& policy) {
    const char* said = std::getenv("CELLBLOCK_DAEMON");
    if (said == nullptr || *said == '\0') {
        return policy.warm;
    }
    return std::strcmp(said, "0") != 0;
}

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

Result<jail::SpawnedJail> claim_jail(const jail::JailPlan& plan, const ZygoteSpec& spec) {
    auto daemon = connect_or_start(spec);
    if (!daemon) {
        return daemon.error();
    }
    auto file = as_file(jail::plan_to_bytes(plan));
    if (!file) {
        return file.error();
    }
    auto ends = jail::make_ends();
    if (!ends) {
        return ends.error();
    }
    const std::array<int, kClaimDescriptors> theirs{file->get(), ends->control.theirs.get(),
                                                    ends->warden.theirs.get(), ends->output.ours.get(),
                                                    ends->output.theirs.get()};
    if (auto sent = send_message(daemon->get(), to_bytes({Verb::claim, spec}), theirs); !sent) {
        return sent.error();
    }
    auto answer = receive_message(daemon->get(), kPatience);
    if (!answer) {
        return answer.error();
    }
    auto jail = read_answer(*answer);
    if (jail) {
        jail::keep_ours(*jail, std::move(*ends));
    }
    return jail;
}

}  // namespace cellblock::sandbox::daemon
