// Connects to the daemon, asks, starts a daemon where there is none.
#include "sandbox/engines/pool_client.h"

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
#include <iostream>
#include <mutex>
#include <optional>
#include <string_view>
#include <tuple>
#include <vector>

#include "sandbox/base/escaped_line.h"
#include "sandbox/base/files.h"
#include "sandbox/base/resources.h"
#include "sandbox/base/socket.h"
#include "sandbox/base/subprocess.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/base/text.h"
#include "sandbox/channel/messages.h"
#include "sandbox/pool/protocol.h"
#include "sandbox/pool/runtime_directory.h"
#include "sandbox/pool/settings.h"

namespace cellblock::sandbox {

namespace pool {

namespace {

constexpr const char* kStep = "ask the daemon";
constexpr std::chrono::seconds kPatience{2};  // until the daemon has said anything
constexpr off_t kMaxLog = 1 << 20;

// --- starting one

UniqueFd open_log(const RuntimeDirectory& directory, const std::string& name) {
    UniqueFd log(::openat(directory.folder.get(), (name + ".log").c_str(),
                          O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600));
    struct stat info {};
    if (log.valid() && ::fstat(log.get(), &info) == 0 && info.st_size > kMaxLog) {
        std::ignore = ::ftruncate(log.get(), 0);
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
    give_back_file_limit();
    const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (::dup2(null, 0) == 0 && ::dup2(log, 1) == 1 && ::dup2(log, 2) == 2 &&
        ::dup2(client, kClient) == kClient && close_range(kClient + 1, ~0U, 0) == 0 && ::chdir("/") == 0) {
        ::execve(argv[0], const_cast<char* const*>(argv), const_cast<char* const*>(envp));
    }
    ::_exit(127);
}

// What is claimed is made ready for the next time.
Request to_prepare(const Request& claim) {
    Request first = claim;
    first.verb = claim.verb == Verb::claim_fork ? Verb::prepare_zygote : Verb::prepare_launched;
    return first;
}

Status start_daemon(const RuntimeDirectory& directory, const std::string& socket, const Request& claim,
                    int plan) {
    CELLBLOCK_RETURN_IF_ERROR(load_settings());
    CELLBLOCK_ASSIGN_OR_RETURN(auto program, cellblock_program());
    CELLBLOCK_ASSIGN_OR_RETURN(auto sockets, make_socket_pair(SOCK_SEQPACKET, "start the daemon"));
    CELLBLOCK_RETURN_IF_ERROR(
        send_message(sockets.ours.get(), to_bytes(to_prepare(claim)), std::array<int, 1>{plan}));
    const UniqueFd client(::fcntl(sockets.theirs.get(), F_DUPFD_CLOEXEC, 10));
    const UniqueFd written(open_log(directory, socket));
    if (!written.valid()) {
        return errno_error("open the daemon's log in " + directory.path);
    }
    const UniqueFd log(::fcntl(written.get(), F_DUPFD_CLOEXEC, 10));
    std::vector<std::string> variables{"PATH=/usr/bin:/bin"};
    for (const char* name :
         {"XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "HOME"}) {
        if (const char* value = std::getenv(name); value != nullptr) {
            variables.push_back(std::string(name) + "=" + value);
        }
    }
    const auto envp = pointers(variables);
    const char* const argv[] = {program.c_str(), "daemon", "--client=3", nullptr};
    const pid_t pid = log.valid() ? ::_Fork() : -1;
    if (pid == 0) {
        become_daemon(client.get(), log.get(), argv, envp.data());
    }
    while (pid > 0 && ::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return pid > 0 ? Status(Ok{}) : errno_error("start the daemon");
}

// --- telling one

// The connection by which this process told a daemon something last. The daemon closes it once it has heard,
// and hears in turn.
class LastTold {
public:
    void keep(UniqueFd connection) {
        const std::lock_guard<std::mutex> held(mutex_);
        connection_ = std::move(connection);
    }
    UniqueFd take() {
        const std::lock_guard<std::mutex> held(mutex_);
        return std::move(connection_);
    }

private:
    std::mutex mutex_;
    UniqueFd connection_;
};

LastTold& last_told() {
    static LastTold one;
    return one;
}

// --- asking one

Result<UniqueFd> connect_or_start(const Request& claim, int plan) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto directory, open_runtime_directory());
    const std::string name = context_name(directory).socket;
    auto socket = connect_to(directory, name);
    if (socket || (socket.error().code != ENOENT && socket.error().code != ECONNREFUSED)) {
        return socket;
    }
    const std::string failure = last_failure(directory, name);
    CELLBLOCK_RETURN_IF_ERROR(start_daemon(directory, name, claim, plan));
    return Error{kStep,
                 0,
                 "it was started just now and has nothing ready yet" +
                     (failure.empty() ? "" : ". The one before couldn't start: " + failure),
                 {}};
}

Result<GivenSandbox> read_given(Message& answer) {
    auto given = given_from(std::string_view(answer.bytes).substr(1));
    auto cgroup = given ? jail::Cgroup::from_bytes(given->cgroup) : std::nullopt;
    auto& fds = answer.descriptors;
    if (!cgroup || fds.size() < kGivenDescriptors || fds.size() > kGivenDescriptors + 1) {
        return Error{kStep, 0, "its answer can't be read", {}};
    }
    GivenSandbox sandbox{given->supervisor,  std::move(fds[0]),     std::move(fds[1]), std::move(fds[2]), {},
                         std::move(*cgroup), std::move(given->spec)};
    sandbox.worker.worker = std::move(fds[3]);
    if (fds.size() > kGivenDescriptors) {
        sandbox.worker.debugger = std::move(fds[kGivenDescriptors]);
    }
    return sandbox;
}

Result<UniqueFd> send_claim(const Request& claim, const std::string& plan) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto file, memory_file(plan));
    CELLBLOCK_ASSIGN_OR_RETURN(auto daemon, connect_or_start(claim, file.get()));
    CELLBLOCK_RETURN_IF_ERROR(send_message(daemon.get(), to_bytes(claim), std::array<int, 1>{file.get()}));
    return daemon;
}

Answer answer_in(Message message) {
    const std::string reason = message.bytes.substr(1);
    switch (message.bytes.front()) {
        case kGiven: {
            auto given = read_given(message);
            return given ? Answer(std::move(*given)) : Answer(ColdStart{given.error().text()});
        }
        case kFull:
            return NoneMore{Error{"start a sandbox", 0, reason, {}}};
        default:
            return ColdStart{Error{kStep, 0, reason, {}}.text()};
    }
}

}  // namespace

Wish wish_of(const Policy& policy, bool is_native) {
    const char* said = std::getenv("CELLBLOCK_DAEMON");
    if (said != nullptr && *said != '\0') {
        return {std::strcmp(said, "0") != 0, false};
    }
    const bool automatic = policy.warm == Warm::automatic;
    return {automatic ? is_native : policy.warm == Warm::on, automatic};
}

Recipe recipe_for(const Policy& policy, bool is_interchangeable) {
    Recipe recipe;
    recipe.configure = encode_configure(policy);
    recipe.debugger = offers_debugger(policy);
    recipe.patience = static_cast<std::uint32_t>(policy.limits.start_time.count());
    if (is_interchangeable) {
        recipe.ready = policy.pool.min;
        recipe.most = policy.pool.max;
    }
    return recipe;
}

bool daemon_has_scope() {
    const auto directory = open_runtime_directory();
    return directory && context_name(*directory).has_scope;
}

bool tell_imports(const std::string& python, const std::vector<std::string>& names) {
    Request request;
    request.verb = Verb::learn;
    request.spec.program = python;
    request.names = names;
    const auto directory = open_runtime_directory();
    auto daemon = directory ? connect_to(*directory, context_name(*directory).socket) : directory.error();
    if (!daemon || !send_message(daemon->get(), to_bytes(request)).ok()) {
        return false;
    }
    last_told().keep(std::move(*daemon));
    return true;
}

void wait_until_heard() {
    if (const UniqueFd connection = last_told().take(); connection.valid()) {
        (void)is_readable(connection.get(), kPatience);
    }
}

Claim::Claim(const Policy& policy, const Request& request, const std::string& plan)
    : start_time_(policy.limits.start_time), deadline_(std::chrono::steady_clock::now() + kPatience) {
    auto asked = send_claim(request, plan);
    if (asked) {
        daemon_ = std::move(*asked);
    } else {
        failure_ = asked.error();
    }
}

std::optional<Answer> Claim::take() {
    if (failure_) {
        return ColdStart{failure_->text()};
    }
    if (!is_readable(daemon_.get(), std::chrono::milliseconds{0})) {
        return std::nullopt;
    }
    auto message = receive_message(daemon_.get(), std::chrono::milliseconds{0});
    if (!message) {
        return ColdStart{message.error().text()};
    }
    if (message->bytes.front() == kWait) {
        deadline_ = std::chrono::steady_clock::now() + start_time_;
        return std::nullopt;
    }
    return answer_in(std::move(*message));
}

ColdStart Claim::too_late() {
    return ColdStart{Error{kStep, 0, "it takes too long to answer", {}}.text()};
}

}  // namespace pool

std::optional<Result<std::unique_ptr<Sandbox>>> ClaimedSandbox::take() {
    if (came_) {
        return std::move(came_);
    }
    auto answer = claim_.take();
    if (!answer) {
        return std::nullopt;
    }
    if (const auto* none = std::get_if<pool::NoneMore>(&*answer)) {
        return none->error;
    }
    if (const auto* cold = std::get_if<pool::ColdStart>(&*answer)) {
        return start_cold_because(cold->reason);
    }
    return adopt(std::get<pool::GivenSandbox>(std::move(*answer)));
}

Result<std::unique_ptr<Sandbox>> ClaimedSandbox::give_up() {
    return start_cold_because(pool::Claim::too_late().reason);
}

Result<std::unique_ptr<Sandbox>> ClaimedSandbox::start_cold_because(const std::string& reason) {
    if (!in_silence_) {
        std::cerr << "cellblock: a cold start: " << escaped_line(reason) << "\n";
    }
    started_cold_ = true;
    return start_cold();
}

// A fault of the daemon's, which is told even where the policy wants a cold start in silence.
std::optional<Result<std::unique_ptr<Sandbox>>> ClaimedSandbox::start_anew(const std::string& reason) {
    if (started_cold_) {
        return std::nullopt;
    }
    in_silence_ = false;
    return start_cold_because("the daemon's sandbox ended before it was ready: " + reason);
}

}  // namespace cellblock::sandbox
