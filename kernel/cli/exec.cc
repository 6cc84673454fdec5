// `cellblock exec`: runs one command in a sandbox, with this process's streams, signals and terminal.
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernel/cli/commands.h"
#include "kernel/cli/session_policy.h"
#include "sandbox/api/session.h"
#include "sandbox/base/text.h"
#include "sandbox/outputs/terminal_text.h"

namespace cellblock::kernel {

namespace {

using namespace sandbox;

constexpr int kUsageError = 2;
constexpr int kOfSignal = 128;  // exit status, beside a signal's number
constexpr std::size_t kPiece = 64U << 10;
// So many SIGINT or SIGTERM within such a time end a command that ignores them.
constexpr std::size_t kStubborn = 3;
constexpr std::chrono::seconds kImpatience{3};

// Signals that are passed on to the command.
constexpr std::array kPassed{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};

// The write end of the pipe that a handler writes its signal's number to.
volatile sig_atomic_t the_signals = -1;

extern "C" void note_signal(int number) {
    const int before = errno;
    const char byte = static_cast<char>(number);
    (void)!::write(the_signals, &byte, 1);
    errno = before;
}

// The signals that come while it lives, one after another from a descriptor.
class Signals {
public:
    Signals() {
        std::array<int, 2> ends{-1, -1};
        if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
            return;
        }
        read_.reset(ends[0]);
        write_.reset(ends[1]);
        the_signals = write_.get();
        struct sigaction noted {};
        noted.sa_handler = note_signal;
        noted.sa_flags = SA_RESTART;
        for (const int number : kPassed) {
            struct sigaction before {};
            ::sigaction(number, nullptr, &before);
            if (before.sa_handler != SIG_IGN) {  // as with nohup
                ::sigaction(number, &noted, nullptr);
            }
        }
        ::signal(SIGPIPE, SIG_IGN);
    }
    ~Signals() {
        for (const int number : kPassed) {
            ::signal(number, SIG_DFL);
        }
    }
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;

    [[nodiscard]] int fd() const { return read_.get(); }
    // 0: there is none.
    [[nodiscard]] int next() const {
        char byte = 0;
        return ::read(read_.get(), &byte, 1) == 1 ? byte : 0;
    }

private:
    UniqueFd read_;
    UniqueFd write_;
};

std::optional<TerminalSize> size_of_terminal() {
    winsize size{};
    if (::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) {
        return std::nullopt;
    }
    return TerminalSize{size.ws_row, size.ws_col};
}

// The terminal gives and takes each character as it is, while this lives.
class RawTerminal {
public:
    RawTerminal() {
        if (::tcgetattr(STDIN_FILENO, &before_) == 0) {
            termios raw = before_;
            ::cfmakeraw(&raw);
            changed_ = ::tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
        }
    }
    ~RawTerminal() {
        if (changed_) {
            ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
        }
    }
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;

private:
    termios before_{};
    bool changed_ = false;
};

// One of this process's outputs. Bytes go to a file or pipe as they are; a terminal gets text and colours,
// but where it has been given to the command.
class Output {
public:
    Output(int fd, bool is_given) : fd_(fd), cleans_(!is_given && ::isatty(fd) == 1) {}

    // False: nobody reads it any more.
    bool write(const std::string& bytes) { return put(cleans_ ? clean(bytes) : bytes); }

private:
    std::string clean(const std::string& bytes) {
        const std::string text = std::exchange(rest_, {}) + bytes;
        std::string whole;
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t length = utf8_length(text, at);
            if (length == 0 && is_begun(text, at)) {
                rest_ = text.substr(at);
                break;
            }
            whole += length > 0 ? text.substr(at, length) : "\uFFFD";
            at += std::max<std::size_t>(length, 1);
        }
        return filter_.filter(std::move(whole));
    }

    // A character whose end may come with the next piece.
    static bool is_begun(const std::string& text, std::size_t at) {
        const auto lead = static_cast<unsigned char>(text[at]);
        const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
        return lead >= 0xC2 && lead <= 0xF4 && at + length > text.size() &&
               std::all_of(text.begin() + static_cast<std::ptrdiff_t>(at) + 1, text.end(),
                           [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; });
    }

    [[nodiscard]] bool put(std::string_view bytes) const {
        while (!bytes.empty()) {
            const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
            if (written < 0 && errno == EAGAIN) {
                pollfd room{fd_, POLLOUT, 0};
                ::poll(&room, 1, -1);
            } else if (written < 0 && errno != EINTR) {
                return false;
            }
            bytes.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
        }
        return true;
    }

    int fd_;
    bool cleans_;
    std::string rest_;
    TerminalTextFilter filter_;
};

Result<CommandRequest> request_of(const ExecOptions& options) {
    CommandRequest request;
    request.argv = options.command;
    request.directory = options.directory;
    request.has_input = true;
    for (const auto& variable : options.variables) {
        const auto equals = variable.find('=');
        const std::string name = variable.substr(0, equals);
        if (name.empty()) {
            return Error{"--env " + variable, 0, "a variable has a name", "For example --env LANG=C"};
        }
        if (equals != std::string::npos) {
            request.environment[name] = variable.substr(equals + 1);
        } else if (const char* value = std::getenv(name.c_str()); value != nullptr) {
            request.environment[name] = value;
        }
    }
    if (options.terminal) {
        if (::isatty(STDIN_FILENO) != 1) {
            return Error{"-t", 0, "standard input is no terminal",
                         "Leave -t out where input comes from elsewhere"};
        }
        request.terminal = size_of_terminal().value_or(TerminalSize{});
        if (const char* kind = std::getenv("TERM"); kind != nullptr) {
            request.environment.try_emplace("TERM", kind);
        }
        request.time_limit = std::chrono::nanoseconds{0};
    }
    if (options.timeout) {
        CELLBLOCK_ASSIGN_OR_RETURN(const auto time, read_timeout(*options.timeout, /*may_be_none=*/true));
        request.time_limit = time;
    }
    return request;
}

class Exec {
public:
    Exec(Session& session, CommandRequest request)
        : session_(session),
          out_(STDOUT_FILENO, request.terminal.has_value()),
          error_(STDERR_FILENO, false),
          command_(session.run_command(std::move(request))) {}

    int run(const Signals& signals) {
        while (!status_) {
            session_.advance([this](Event event) { take(std::move(event)); });
            if (!status_) {
                wait(signals);
            }
        }
        return *status_;
    }

    [[nodiscard]] const std::optional<CommandDone>& done() const { return done_; }

private:
    void take(Event event) {
        if (auto* output = std::get_if<CommandOutput>(&event)) {
            if (!(output->is_error ? error_ : out_).write(output->bytes)) {
                status_ = kOfSignal + SIGPIPE;
            }
        } else if (std::holds_alternative<CommandWantsInput>(event)) {
            wants_input_ = true;
        } else if (auto* done = std::get_if<CommandDone>(&event)) {
            done_ = std::move(*done);
            status_ = status_ ? status_ : done_->exit_code();
        } else if (const auto* notice = std::get_if<StartNotice>(&event); notice && !notice->text.empty()) {
            std::cerr << "cellblock exec: " << notice->text << "\n";
        }
    }

    void wait(const Signals& signals) {
        std::array<pollfd, 3> waiting{
            {{session_.poll_fd(), POLLIN, 0}, {signals.fd(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}}};
        int timeout = -1;
        if (const auto next = session_.next_deadline()) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - Clock::now());
            timeout = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
        }
        if (::poll(waiting.data(), wants_input_ ? 3 : 2, timeout) < 0) {
            return;
        }
        if (wants_input_ && waiting[2].revents != 0) {
            give_input();
        }
        while (const int number = signals.next()) {
            pass_on(number);
        }
    }

    void give_input() {
        std::string bytes(kPiece, '\0');
        const ssize_t size = ::read(STDIN_FILENO, bytes.data(), bytes.size());
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
        wants_input_ = false;
        session_.command_input(command_, bytes, size <= 0);
    }

    void pass_on(int number) {
        if (number == SIGWINCH) {
            if (const auto size = size_of_terminal()) {
                session_.resize_command(command_, *size);
            }
            return;
        }
        session_.signal_command(command_, number);
        if (number != SIGINT && number != SIGTERM) {
            return;
        }
        const auto now = Clock::now();
        std::erase_if(pushed_, [&](TimePoint one) { return now - one > kImpatience; });
        pushed_.push_back(now);
        if (pushed_.size() >= kStubborn) {
            session_.signal_command(command_, SIGKILL);
        }
    }

    Session& session_;
    Output out_;
    Output error_;
    bool wants_input_ = true;
    std::vector<TimePoint> pushed_;  // the latest
    std::optional<CommandDone> done_;
    std::optional<int> status_;
    CommandId command_;
};

int usage_error(const Error& error) {
    std::cerr << "cellblock exec: " << error.text() << "\n";
    return kUsageError;
}

}  // namespace

int exec_command(const ExecOptions& options) {
    auto request = request_of(options);
    if (!request) {
        return usage_error(request.error());
    }
    auto policy = session_policy("exec", options.policy, options.python, options.inputs);
    if (!policy) {
        return usage_error(policy.error());
    }
    if (request->time_limit) {
        policy->limits.cell_time_max = std::max(
            policy->limits.cell_time_max, std::chrono::ceil<std::chrono::milliseconds>(*request->time_limit));
    }
    const Signals signals;
    std::error_code ignored;
    Session session(*policy, make_engine(*policy),
                    StartOptions{std::filesystem::current_path(ignored).string()});
    const auto time = request->time_limit ? *request->time_limit : policy->limits.cell_time;
    std::optional<RawTerminal> raw;
    if (request->terminal) {
        raw.emplace();
    }
    Exec exec(session, std::move(*request));
    const int status = exec.run(signals);
    session.shutdown();
    raw.reset();
    const auto& done = exec.done();
    if (done && done->error) {
        std::cerr << "cellblock exec: " << done->error->text() << "\n";
    } else if (done && done->timed_out) {
        std::cerr << "cellblock exec: stopped after "
                  << format_duration(std::chrono::duration_cast<std::chrono::milliseconds>(time))
                  << " (policy \"" << policy->name
                  << "\", key limits.cell_time; --timeout gives it another)\n";
    }
    if (done && done->cut) {
        std::cerr << "cellblock exec: it wrote more than " << format_size(policy->limits.output_bytes)
                  << ", and the rest is left out (policy \"" << policy->name << "\", key limits.output)\n";
    }
    return status;
}

}  // namespace cellblock::kernel
