// The broker's process, and its reports.
#include "sandbox/network/gateway.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "sandbox/base/resources.h"
#include "sandbox/base/socket.h"
#include "sandbox/base/subprocess.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/network/broker_program.h"
#include "sandbox/network/secrets.h"

namespace cellblock::sandbox::network {

namespace {

constexpr const char* kStep = "start the network's broker";

bool is_same(const UniqueFd& a, const UniqueFd& b) {
    struct stat one {};
    struct stat other {};
    return a.valid() && b.valid() && ::fstat(a.get(), &one) == 0 && ::fstat(b.get(), &other) == 0 &&
           one.st_ino == other.st_ino && one.st_dev == other.st_dev;
}

// The broker reads its task first of all, so this waits no longer than the broker's start takes.
bool send_whole(int fd, std::string_view bytes) {
    constexpr int kTime = 5'000;  // milliseconds
    while (!bytes.empty()) {
        const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        pollfd waiting{fd, POLLOUT, 0};
        if (sent > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        } else if ((errno != EAGAIN && errno != EINTR) || ::poll(&waiting, 1, kTime) == 0) {
            return false;
        }
    }
    return true;
}

}  // namespace

Gateway::Gateway(const Policy& policy) {
    task_.rules = policy.network;
    if (on()) {
        epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
    }
}

Gateway::~Gateway() {
    stop();
}

void Gateway::end() {
    hear_last_words();
    stop();
}

void Gateway::stop() {
    socket_.reset();
    listener_.reset();
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
        }
        pid_ = -1;
    }
}

void Gateway::hear_last_words() {
    constexpr int kTime = 200;  // milliseconds, for each
    constexpr std::size_t kMost = 2048;
    if (!socket_.valid()) {
        return;
    }
    ::shutdown(socket_.get(), SHUT_WR);
    for (std::size_t i = 0; i < kMost; ++i) {
        pollfd waiting{socket_.get(), POLLIN, 0};
        auto report = read();
        if (!report && ::poll(&waiting, 1, kTime) > 0) {
            continue;
        }
        if (!report || !*report) {
            return;
        }
        last_words_.push_back(std::move(**report));
    }
}

Status Gateway::begin(UniqueFd listener) {
    if (is_same(listener, listener_) && socket_.valid()) {
        return Ok{};
    }
    end();
    listener_ = std::move(listener);
    constexpr int kWaiting = 128;
    ::listen(listener_.get(), kWaiting);  // if close_door() has ended that
    Status begun = start();
    if (!begun) {
        close_door();
    }
    return begun;
}

void Gateway::close_door() {
    ::shutdown(listener_.get(), SHUT_RDWR);
}

Status Gateway::start() {
    if (!starts_.spend(std::chrono::steady_clock::now())) {
        return Error{kStep, 0, "it ended too often", {}};
    }
    CELLBLOCK_ASSIGN_OR_RETURN(task_.secrets, read_secrets(task_.rules));
    if (task_.rules.inspects() && task_.authority.key.empty()) {
        CELLBLOCK_ASSIGN_OR_RETURN(task_.authority, make_authority());
    }
    CELLBLOCK_ASSIGN_OR_RETURN(auto sockets, make_socket_pair(SOCK_STREAM, kStep));
    // Nothing of ours but where its libraries lie, and whom the user trusts.
    std::vector<std::string> environment;
    std::vector<const char*> passed(kTrustVariables.begin(), kTrustVariables.end());
    passed.push_back("LD_LIBRARY_PATH");
    for (const char* name : passed) {
        if (const char* value = std::getenv(name); value != nullptr) {
            environment.push_back(std::string(name) + "=" + value);
        }
    }
    CELLBLOCK_ASSIGN_OR_RETURN(auto program, helper_program());
    CELLBLOCK_ASSIGN_OR_RETURN(
        pid_,
        start_own(
            {"broker", {sockets.theirs.get(), listener_.get()}, std::move(environment), std::move(program)}));
    socket_ = std::move(sockets.ours);
    reader_ = FrameReader(kBrokerBounds);
    const std::string task = encode_task(task_);
    epoll_event event{};
    event.events = EPOLLIN;
    if (!send_whole(socket_.get(), task) ||
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket_.get(), &event) != 0) {
        return errno_error(kStep);
    }
    return Ok{};
}

std::optional<Result<ConnectionReport>> Gateway::read() {
    Frame frame;
    const auto state = reader_.read(socket_.get(), frame);
    if (state && *state == ReadState::would_block) {
        return std::nullopt;
    }
    auto report = state && *state == ReadState::frame
                      ? decode_connection(std::move(frame))
                      : Result<ConnectionReport>(Error{kStep, 0, "it ended", {}});
    if (report) {
        task_.rules.bytes_out -= std::min(task_.rules.bytes_out, report->sent);
        task_.rules.bytes_in -= std::min(task_.rules.bytes_in, report->received);
    }
    return report;
}

void Gateway::start_again() {
    constexpr int kNotShutIn = 3;
    int status = 0;
    bool told = false;
    for (int i = 0; i < 20 && !told; ++i) {  // it is on its way out
        told = ::waitpid(pid_, &status, WNOHANG) == pid_;
        if (!told) {
            pause_for(5);
        }
    }
    pid_ = told ? -1 : pid_;
    UniqueFd listener = std::move(listener_);
    stop();
    listener_ = std::move(listener);
    if (told && WIFEXITED(status) && WEXITSTATUS(status) == kNotShutIn) {
        fault_ =
            "the network's broker can't be shut in on this machine: it needs Landlock (Linux 5.13) and "
            "seccomp";
    } else if (const auto begun = start(); !begun) {
        fault_ = begun.error().text();
    }
    if (!fault_.empty()) {
        close_door();
    }
}

std::vector<ConnectionReport> Gateway::take() {
    constexpr std::size_t kAtOnce = 256;
    auto reports = std::exchange(last_words_, {});
    while (socket_.valid() && reports.size() < kAtOnce) {
        auto report = read();
        if (!report) {
            break;
        }
        if (!*report) {
            start_again();  // a connection that waits is its first one
            break;
        }
        reports.push_back(std::move(**report));
    }
    return reports;
}

}  // namespace cellblock::sandbox::network
