// A zygote's process.
#include "sandbox/pool/zygote.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "sandbox/base/background.h"
#include "sandbox/base/bytes.h"
#include "sandbox/base/files.h"
#include "sandbox/base/process.h"
#include "sandbox/base/socket.h"
#include "sandbox/base/text.h"
#include "sandbox/jail/plan.h"
#include "sandbox/pool/sandbox_memory.h"
#include "sandbox/pool/trust.h"

namespace cellblock::sandbox::pool {

namespace {

using nlohmann::json;

constexpr std::chrono::seconds kTimeToStart{60};
constexpr std::chrono::seconds kGoodTime{10};
constexpr std::chrono::seconds kTimeToDie{5};
constexpr std::chrono::seconds kFirstPause{60};  // before another attempt; it doubles
constexpr std::chrono::seconds kLongestPause{3600};
constexpr std::size_t kMaxStamps = 512;
constexpr std::size_t kMaxReason = 1000;
constexpr const char* kUnreadable = "it sent what can't be read";
constexpr rlim_t kStack = 8U << 20;  // of which libc makes the stacks of threads
constexpr const char* kInside = "/opt/cellblock/python";
constexpr int kSocket = 3;
constexpr int kScript = 4;
// The script comes as a descriptor, so that the command line, which cells can read, names no file of the
// host's.
constexpr const char* kBoot = "exec(compile(open(4).read(), '/opt/cellblock/python/zygote/main.py', 'exec'))";

[[noreturn]] void become(int socket, int script, const std::vector<char*>& argv,
                         const std::vector<char*>& envp) {
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    rlimit stack{};
    if (::getrlimit(RLIMIT_STACK, &stack) == 0) {
        stack.rlim_cur = std::min(stack.rlim_max, kStack);
        ::setrlimit(RLIMIT_STACK, &stack);
    }
    if (::dup2(socket, kSocket) == kSocket && ::dup2(script, kScript) == kScript &&
        ::close_range(kScript + 1, ~0U, 0) == 0) {
        ::execve(argv[0], argv.data(), envp.data());
    }
    ::_exit(127);
}

Result<pid_t> launch(const ZygoteSpec& spec, int socket) {
    const std::vector<std::string> arguments{spec.program, "-I", "-S", "-B", "-c", kBoot};
    const auto argv = pointers(arguments);
    const auto envp = pointers(spec.environment);
    const UniqueFd script(::open((spec.worker + "/zygote/main.py").c_str(), O_RDONLY | O_CLOEXEC));
    // Above what they are to become.
    const UniqueFd socket_above(::fcntl(socket, F_DUPFD_CLOEXEC, 10));
    const UniqueFd script_above(::fcntl(script.get(), F_DUPFD_CLOEXEC, 10));
    if (!script_above.valid() || !socket_above.valid()) {
        return errno_error("open " + spec.worker + "/zygote/main.py");
    }
    const pid_t pid = ::_Fork();
    if (pid == 0) {
        become(socket_above.get(), script_above.get(), argv, envp);
    }
    return pid > 0 ? Result<pid_t>(pid) : errno_error("start a Python to keep warm");
}

std::string task_text(const ZygoteSpec& spec, const std::string& scratch) {
    const json task{
        {"scratch", scratch},         {"worker", spec.worker},          {"inside", kInside},
        {"library", spec.library},    {"prefixes", spec.prefixes},      {"preload", spec.preload},
        {"shield", ::geteuid() == 0}, {"directory", jail::kWorkInside}, {"groups", groups_of_nobody_else()}};
    return task.dump(-1, ' ', false, json::error_handler_t::replace);
}

void remove_folder(const std::string& path) {
    std::error_code ignored;
    if (!path.empty()) {
        std::filesystem::remove_all(path, ignored);
    }
}

const char* name_of(Zygote::State state) {
    switch (state) {
        case Zygote::State::starting:
            return "starting";
        case Zygote::State::ready:
            return "ready";
        case Zygote::State::refused:
            return "refused";
        case Zygote::State::dead:
            break;
    }
    return "gone";
}

}  // namespace

Result<Zygote> Zygote::start(ZygoteSpec spec, const RuntimeDirectory& directory) {
    CELLBLOCK_RETURN_IF_ERROR(is_trusted(spec));
    CELLBLOCK_ASSIGN_OR_RETURN(auto scratch, make_folder(directory));
    Zygote zygote;
    zygote.scratch_ = scratch;
    CELLBLOCK_ASSIGN_OR_RETURN(auto sockets, make_socket_pair(SOCK_SEQPACKET, "start a Python to keep warm"));
    zygote.socket_ = std::move(sockets.ours);
    CELLBLOCK_ASSIGN_OR_RETURN(auto pid, launch(spec, sockets.theirs.get()));
    zygote.pid_.value = pid;
    zygote.key_ = key_of(spec);
    zygote.spec_ = std::move(spec);
    zygote.started_ = zygote.used_ = Clock::now();
    CELLBLOCK_RETURN_IF_ERROR(send_message(zygote.socket_.get(), task_text(zygote.spec_, scratch)));
    return zygote;
}

Zygote::~Zygote() {
    end(State::dead, {});
}

void Zygote::end(State state, std::string reason) {
    state_ = state;
    reason_ = std::move(reason);
    socket_.reset();
    stamps_.clear();
    ended_ = Clock::now();
    const pid_t pid = std::exchange(pid_.value, -1);
    if (pid > 0) {
        ::kill(pid, SIGKILL);
    }
    if (pid <= 0 && scratch_.empty()) {
        return;
    }
    run_in_background([pid, scratch = std::exchange(scratch_, {})] {
        const UniqueFd handle = pid > 0 ? open_pidfd(pid) : UniqueFd();
        if (handle.valid() && ends_within(handle.get(), kTimeToDie)) {
            (void)::waitpid(pid, nullptr, WNOHANG);
        }
        remove_folder(scratch);
    });
}

bool Zygote::is_late() const {
    return state_ == State::starting && Clock::now() - started_ > kTimeToStart;
}

bool Zygote::was_good() const {
    const auto until = ended_ != Clock::time_point() ? ended_ : Clock::now();
    return ready_ != Clock::time_point() && until - ready_ > kGoodTime;
}

ZygoteEvent Zygote::receive() {
    auto message = receive_message(socket_.get(), std::chrono::milliseconds(0));
    if (!message) {
        end(State::dead, "it ended");
        return {};
    }
    if (message->bytes.front() != '{') {
        return hear_of_fork(*message);
    }
    hear(message->bytes);
    return {};
}

// 'y', number, process id; 'n', number, reason; 'd', process id, wait status.
ZygoteEvent Zygote::hear_of_fork(Message& message) {
    ByteReader in(std::string_view(message.bytes).substr(1));
    const char what = message.bytes.front();
    std::uint64_t number = 0;
    std::int32_t process = 0;
    std::int32_t status = 0;
    if (what == 'd') {
        in.read(process), in.read(status);
        if (!in.failed() && in.at_end()) {
            return ForkEnded{process, status};
        }
    } else {
        in.read(number);
        if (what == 'n' && !in.failed()) {
            return NotForked{number, message.bytes.substr(1 + sizeof number, kMaxReason)};
        }
        in.read(process);
        if (what == 'y' && !in.failed() && in.at_end() && message.descriptors.size() == 1 && process > 0) {
            return Forked{number, process, std::move(message.descriptors.front())};
        }
    }
    end(State::dead, kUnreadable);
    return {};
}

void Zygote::hear(const std::string& text) {
    const json told = json::parse(text, nullptr, false);
    if (told.is_object() && told.contains("refused") && told["refused"].is_string()) {
        return end(State::refused, told["refused"].get<std::string>().substr(0, kMaxReason));
    }
    if (!told.is_object() || !told.contains("ready") || !told["ready"].is_array() ||
        told["ready"].size() > kMaxStamps || state_ != State::starting) {
        return end(State::dead, kUnreadable);
    }
    for (const auto& one : told["ready"]) {
        if (!one.is_array() || one.size() != 2 || !one[0].is_string() || !one[1].is_string()) {
            return end(State::dead, kUnreadable);
        }
        stamps_.push_back({one[0].get<std::string>(), one[1].get<std::string>()});
    }
    remove_folder(std::exchange(scratch_, {}));
    state_ = State::ready;
    ready_ = Clock::now();
}

std::string Zygote::changed_file() const {
    const auto found = std::find_if(stamps_.begin(), stamps_.end(),
                                    [](const Stamp& stamp) { return file_stamp(stamp.path) != stamp.value; });
    return found == stamps_.end() ? std::string() : found->path;
}

bool Zygote::fork(std::uint64_t number, const std::vector<UniqueFd>& theirs) {
    ByteWriter out;
    out.add(number);
    std::vector<int> numbers(theirs.size());
    std::transform(theirs.begin(), theirs.end(), numbers.begin(),
                   [](const UniqueFd& fd) { return fd.get(); });
    if (!send_message(socket_.get(), "c" + out.take(), numbers)) {
        return false;
    }
    ++forks_;
    used_ = Clock::now();
    return true;
}

// The first end of one that was up is taken for an accident.
std::chrono::seconds pause_after(int failures, bool was_up) {
    auto pause = kFirstPause;
    for (int i = was_up ? 2 : 1; i < failures && pause < kLongestPause; ++i) {
        pause *= 2;
    }
    return was_up && failures <= 1 ? std::chrono::seconds{0} : std::min(pause, kLongestPause);
}

Zygote::Clock::time_point Zygote::next_attempt() const {
    return ended_ + pause_after(failures_ + 1, ready_ != Clock::time_point());
}

std::string Zygote::in_words() const {
    return "warm Python " + std::to_string(pid_.value) + ", " + spec_.program + ": " + name_of(state_) +
           (reason_.empty() ? "" : ": " + reason_);
}

Zygote::Figures Zygote::figures() const {
    Figures figures{spec_.program, spec_.preload, name_of(state_), reason_, pid_.value, 0, forks_, 0, 0, 0};
    if (state_ == State::ready) {
        figures.start_seconds = std::chrono::duration<double>(ready_ - started_).count();
        figures.memory_bytes = resident_memory(pid_.value);
    }
    if (state_ == State::refused || state_ == State::dead) {
        figures.failures = failures_ + 1;
        figures.retry_seconds =
            std::max(0.0, std::chrono::duration<double>(next_attempt() - Clock::now()).count());
    }
    return figures;
}

}  // namespace cellblock::sandbox::pool
