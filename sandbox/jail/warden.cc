// The host's commands, and the worker's start and end.
#include "sandbox/jail/warden.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

#include "sandbox/base/bytes.h"
#include "sandbox/base/socket.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/jail/memory_watch.h"

namespace cellblock::sandbox::jail {

namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

constexpr int kControl = 3;
constexpr int kWardenFailed = 1;
constexpr std::size_t kFrameHead = 8;        // the header's length and, as there are no buffers, a zero
constexpr std::size_t kMaxHeader = 256;      // of a command; it is a type and no more
constexpr std::size_t kMostDescriptors = 2;  // with a command
constexpr const char* kTooMany = "the host sent more descriptors than a worker has";
constexpr Milliseconds kReapTime{2000};  // for the killed to end, before the host is told
constexpr Milliseconds kReapPause{20};

// A worker finds their defaults. An interrupt is also ignored by a new worker until it has a handler of its
// own.
constexpr std::array kIgnored{SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGUSR1,
                              SIGUSR2, SIGALRM, SIGTSTP, SIGTTIN, SIGTTOU};

// All that a signal of ours reaches is the jail: see check_reach().
[[noreturn]] void leave(int status) {
    ::kill(-1, SIGKILL);
    ::_exit(status);
}

void say(const char* reason) {
    std::array<char, 256> text{};
    const int size = std::snprintf(text.data(), text.size(), "warden: %s\n", reason);
    (void)!::write(STDERR_FILENO, text.data(), static_cast<std::size_t>(size));
}

[[noreturn]] void give_up(const char* reason) {
    say(reason);
    leave(kWardenFailed);
}

// kill(-1) must meet nobody but the jail's processes. Without a PID namespace Landlock or the user sees to
// that, which is believed only once a signal to the supervisor was refused.
void check_reach(bool has_namespaces) {
    if (has_namespaces ? ::getpid() == 1 : ::kill(::getppid(), 0) != 0 && errno == EPERM) {
        return;
    }
    say(has_namespaces ? "it must be the first process of a PID namespace"
                       : "this jail should keep signals in, and doesn't");
    ::_exit(kWardenFailed);
}

// So that code which closes or reuses low numbers doesn't hit it, nor what the worker opens by number.
int out_of_the_way(int fd) {
    for (const int floor : {600, 200, 64}) {
        const int moved = ::fcntl(fd, F_DUPFD_CLOEXEC, floor);
        if (moved >= 0) {
            ::close(fd);
            return moved;
        }
    }
    return fd;
}

void send_frame(const char* header) {
    std::array<char, kFrameHead + kMaxHeader> frame{};
    const std::size_t size = std::min(std::strlen(header), kMaxHeader);
    frame[2] = static_cast<char>(size >> 8);
    frame[3] = static_cast<char>(size & 0xff);
    std::memcpy(frame.data() + kFrameHead, header, size);
    const char* place = frame.data();
    for (std::size_t left = kFrameHead + size; left > 0;) {
        const ssize_t sent = ::send(kControl, place, left, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return;  // the host is gone; end of file follows
        }
        place += sent;
        left -= static_cast<std::size_t>(sent);
    }
}

// What has come and not been read as a command yet.
class Commands {
public:
    // False at the end of file.
    bool receive() {
        const auto received = receive_each_descriptor(kControl, std::span<char>(received_).subspan(size_),
                                                      [this](int fd) { keep(fd); });
        if (received.size < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        if (received.cut) {
            give_up(kTooMany);
        }
        size_ += static_cast<std::size_t>(received.size);
        return received.size > 0;
    }

    // The next whole command's header; empty: there is none. Good until the next call.
    std::string_view next() {
        size_ -= taken_;
        std::memmove(received_.data(), received_.data() + taken_, size_);
        taken_ = 0;
        if (size_ < kFrameHead) {
            return {};
        }
        const std::size_t length = big_endian(received_.data());
        const bool no_buffers =
            std::all_of(received_.begin() + kFrameHead / 2, received_.begin() + kFrameHead,
                        [](char byte) { return byte == 0; });
        if (length == 0 || length > kMaxHeader || !no_buffers) {
            give_up("the host sent a frame out of bounds");
        }
        if (size_ < kFrameHead + length) {
            return {};
        }
        taken_ = kFrameHead + length;
        return {received_.data() + kFrameHead, length};
    }

    // The first that came and wasn't taken.
    std::optional<int> take_descriptor() {
        if (count_ == 0) {
            return std::nullopt;
        }
        const int taken = descriptors_[0];
        descriptors_[0] = descriptors_[1];
        --count_;
        return taken;
    }

    // What came with a command: one or two.
    std::optional<WorkerDescriptors> take_descriptors() {
        if (count_ == 0) {
            return std::nullopt;
        }
        const WorkerDescriptors taken{descriptors_[0], count_ > 1 ? descriptors_[1] : -1};
        count_ = 0;
        return taken;
    }

private:
    void keep(int fd) {
        if (count_ == descriptors_.size()) {
            give_up(kTooMany);
        }
        descriptors_[count_++] = out_of_the_way(fd);
    }

    std::array<char, kFrameHead + kMaxHeader> received_{};
    std::size_t size_ = 0;
    std::size_t taken_ = 0;  // of the command that was given last
    std::array<int, kMostDescriptors> descriptors_{};
    std::size_t count_ = 0;
};

class Warden {
public:
    explicit Warden(const WardenOrder& order) : watch_(order.watch) {}

    // Returns in a worker.
    WorkerDescriptors serve() {
        for (const int number : kIgnored) {
            ::signal(number, SIG_IGN);
        }
        wait_for_children_too();
        send_frame(R"({"type": "hello"})");
        while (true) {
            if (wait_for_host() && !commands_.receive()) {
                leave(0);
            }
            for (auto command = commands_.next(); !command.empty(); command = commands_.next()) {
                if (const auto worker = obey(command)) {
                    return *worker;
                }
            }
            reap();
            bound_memory();
        }
    }

private:
    // A child's end ends a wait for the host, and nothing else: no other call is interrupted.
    void wait_for_children_too() {
        sigset_t ends;
        ::sigemptyset(&ends);
        ::sigaddset(&ends, SIGCHLD);
        ::sigprocmask(SIG_BLOCK, &ends, &before_);
        struct sigaction note {};
        note.sa_handler = [](int) {};
        ::sigaction(SIGCHLD, &note, nullptr);
    }

    bool wait_for_host() {
        pollfd wanted{kControl, POLLIN, 0};
        timespec time{};
        const auto left = time_left();
        if (left) {
            time = {left->count() / 1000, left->count() % 1000 * 1'000'000};
        }
        return ::ppoll(&wanted, 1, left ? &time : nullptr, &before_) > 0;
    }

    // For how long nothing needs to be done; nothing: for ever.
    [[nodiscard]] std::optional<Milliseconds> time_left() const {
        if (has_died_) {
            return kReapPause;
        }
        if (!watch_.is_on() || worker_ <= 0) {
            return std::nullopt;
        }
        const auto left = std::chrono::duration_cast<Milliseconds>(next_look_ - Clock::now());
        return std::max(left, Milliseconds{0}) + Milliseconds{1};
    }

    // Gives what a worker has, in the worker.
    std::optional<WorkerDescriptors> obey(std::string_view command) {
        if (command == R"({"type":"start_worker"})") {
            return start_worker();
        }
        if (command == R"({"type":"interrupt"})") {
            if (worker_ > 0) {
                ::kill(-worker_, SIGINT);
            }
        } else if (command == R"({"type":"kill_worker"})") {
            ::kill(-1, SIGKILL);
        } else if (command == R"({"type":"start_files"})") {
            return start_agent(Role::file_agent, files_);
        } else if (command == R"({"type":"start_commands"})") {
            return start_agent(Role::command_agent, command_agent_);
        } else {
            give_up("the host sent an unknown command");
        }
        return std::nullopt;
    }

    std::optional<WorkerDescriptors> start_worker() {
        const auto descriptors = commands_.take_descriptors();
        if (worker_ > 0 || !descriptors) {
            give_up(worker_ > 0 ? "the host sent start_worker while one lives"
                                : "the host sent start_worker without a socket");
        }
        ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);  // before there is anybody who could look
        const pid_t pid = ::fork();            // not _Fork(): libraries have handlers for it
        if (pid == 0) {
            become_child();
            return descriptors;
        }
        if (pid < 0) {
            give_up("no worker can be forked");
        }
        ::close(descriptors->socket);
        if (descriptors->debugger >= 0) {
            ::close(descriptors->debugger);
        }
        worker_ = pid;
        return std::nullopt;
    }

    // One that can't be forked (limits.processes) is told by its socket's end.
    std::optional<WorkerDescriptors> start_agent(Role role, pid_t& agent) {
        const auto socket = commands_.take_descriptor();
        if (!socket) {
            give_up("the host sent no socket for an agent");
        }
        if (agent > 0) {
            ::kill(agent, SIGKILL);
        }
        agent = ::fork();
        if (agent == 0) {
            become_child();
            return WorkerDescriptors{*socket, -1, role};
        }
        ::close(*socket);
        return std::nullopt;
    }

    void become_child() const {
        ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);  // its /proc/self is its own
        for (const int number : kIgnored) {
            ::signal(number, number == SIGINT ? SIG_IGN : SIG_DFL);
        }
        ::signal(SIGCHLD, SIG_DFL);
        ::sigprocmask(SIG_SETMASK, &before_, nullptr);
        ::setsid();
        ::close(kControl);
        constexpr std::string_view kFirstToGo = "1000";
        write_file("/proc/self/oom_score_adj", kFirstToGo.data(), kFirstToGo.size());
        const int null = ::open("/dev/null", O_RDONLY);
        if (null > 0) {
            ::dup2(null, STDIN_FILENO);
            ::close(null);
        }
    }

    // Collects the dead without ever waiting, and tells of the worker's end.
    void reap() {
        int status = 0;
        pid_t pid = 0;
        while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0) {
            if (pid == worker_) {
                worker_ = -1;
                has_died_ = true;
                death_ = status;
                give_up_at_ = Clock::now() + kReapTime;
                ::kill(-1, SIGKILL);
            } else if (pid == files_) {
                files_ = -1;
            } else if (pid == command_agent_) {
                command_agent_ = -1;
            }
        }
        if (!has_died_) {
            return;
        }
        const bool alone = pid < 0;
        if (alone || Clock::now() > give_up_at_) {
            has_died_ = false;
            tell_of_death();
        } else {
            ::kill(-1, SIGKILL);
        }
    }

    void tell_of_death() const {
        std::array<char, kMaxHeader> text{};
        if (WIFSIGNALED(death_)) {
            std::snprintf(text.data(), text.size(),
                          R"({"type": "worker_exited", "exit_status": null, "signal": %d})",
                          WTERMSIG(death_));
        } else {
            std::snprintf(text.data(), text.size(),
                          R"({"type": "worker_exited", "exit_status": %d, "signal": null})",
                          WEXITSTATUS(death_));
        }
        send_frame(text.data());
    }

    void bound_memory() {
        if (!watch_.is_on() || worker_ <= 0 || Clock::now() < next_look_) {
            return;
        }
        const auto seen = watch_.look();
        next_look_ = Clock::now() + seen.next;
        if (seen.victim != 0) {
            send_frame(R"({"type": "memory_kill"})");
            ::kill(seen.victim, SIGKILL);
        }
    }

    MemoryWatch watch_;
    Clock::time_point next_look_{};
    Commands commands_;
    sigset_t before_{};
    pid_t worker_ = -1;  // also its process group's
    pid_t files_ = -1;   // the file agent
    pid_t command_agent_ = -1;
    bool has_died_ = false;  // and the host wasn't told yet
    int death_ = 0;          // as wait tells it
    Clock::time_point give_up_at_{};
};

}  // namespace

WardenOrder warden_order(char* const* argv) {
    WardenOrder order;
    std::uint64_t memory = 0;
    std::uint64_t of_socket = 0;
    for (; *argv != nullptr; ++argv) {
        const std::string_view word(*argv);
        if (word == "--") {
            order.worker = argv[1] != nullptr ? argv + 1 : nullptr;
            break;
        }
        if (word == kNoNamespacesOption) {
            order.has_namespaces = false;
        } else if (word.starts_with(kMemoryOption)) {
            memory = std::strtoull(*argv + kMemoryOption.size(), nullptr, 10);
        } else if (word.starts_with(kSocketOption)) {
            of_socket = std::strtoull(*argv + kSocketOption.size(), nullptr, 10);
        }
    }
    order.watch = MemoryWatch(memory, of_socket);
    return order;
}

const char* last_argument(const WorkerDescriptors& descriptors) {
    switch (descriptors.role) {
        case Role::file_agent:
            return "--files";
        case Role::command_agent:
            return "--commands";
        case Role::worker:
            break;
    }
    return descriptors.debugger >= 0 ? "--debugger" : nullptr;
}

WorkerDescriptors be_warden(const WardenOrder& order) {
    check_reach(order.has_namespaces);
    Warden warden(order);
    return warden.serve();
}

}  // namespace cellblock::sandbox::jail
