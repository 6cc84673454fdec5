// The loop between the host's sockets and the command's pipes.
#include "sandbox/relay/relay.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "sandbox/relay/command.h"
#include "sandbox/relay/mux.h"

namespace cellblock::sandbox::relay {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kTail = 2000;             // of stderr that is kept
constexpr std::size_t kMostBacklog = 1U << 20;  // for the command's stdin
constexpr auto kTimeToLinger = 2s;              // for a host that doesn't read a dead worker's last words
constexpr auto kTimeToLeave = 500ms;

void keep_tail(std::string& tail, std::string_view more) {
    tail += more;
    if (tail.size() > kTail) {
        tail.erase(0, tail.size() - kTail);
    }
}

// The host's end of one of the worker's sockets.
struct Lane {
    UniqueFd socket;
    std::string pending;  // for it
    bool ended = false;   // inside
};

class Relay {
public:
    Relay(const Spec& spec, UniqueFd warden, UniqueFd control)
        : spec_(spec), warden_(std::move(warden)), control_(std::move(control)), head_(spec.program) {}

    void run() {
        auto started = start_command(spec_);
        if (started) {
            command_ = std::move(*started);
            while (!end_ && step()) {
            }
        } else {
            end_ = started.error().text();
        }
        finish();
    }

private:
    // What poll is to watch, and who is to be told.
    struct Watch {
        pollfd entry;
        std::uint32_t lane;
    };

    bool step() {
        auto watched = watches();
        std::vector<pollfd> entries;
        for (const auto& one : watched) {
            entries.push_back(one.entry);
        }
        if (::poll(entries.data(), entries.size(), milliseconds()) < 0 && errno != EINTR) {
            end_ = "the relay failed: poll";
            return false;
        }
        for (std::size_t i = 0; i < watched.size() && !end_; ++i) {
            if (entries[i].revents != 0) {
                serve_one(watched[i], entries[i].revents);
            }
        }
        if (!end_) {
            hand_on();
        }
        return true;
    }

    [[nodiscard]] std::vector<Watch> watches() const {
        const auto wanted = [](bool reads, bool writes) {
            return static_cast<short>((reads ? POLLIN : 0) | (writes ? POLLOUT : 0));
        };
        const bool backlog = head_.size() > kMostBacklog;
        std::vector<Watch> list;
        list.push_back({{control_.get(), POLLIN, 0}, 0});
        list.push_back({{command_.output.get(), POLLIN, 0}, 0});
        list.push_back({{command_.errors.get(), POLLIN, 0}, 0});
        if (command_.input.valid() && (!head_.empty() || mux_.wants_to_write())) {
            list.push_back({{command_.input.get(), POLLOUT, 0}, 0});
        }
        const bool lingers = lingering();
        list.push_back(
            {{warden_.get(), wanted(!backlog && mux_.room(kWarden) > 0, !lingers && !to_warden_.empty()), 0},
             0});
        for (const auto& [number, lane] : lanes_) {
            const bool reads = !lane.ended && !backlog && mux_.room(number) > 0;
            list.push_back({{lane.socket.get(), wanted(reads, !lane.pending.empty()), 0}, number});
        }
        return list;
    }

    void serve_one(const Watch& watch, short events) {
        const int fd = watch.entry.fd;
        if (watch.lane != 0) {
            serve_lane(watch.lane, events);
        } else if (fd == control_.get()) {
            end_ = "";  // a request to kill, or the host's end
            take_control();
        } else if (fd == command_.output.get()) {
            read_output();
        } else if (fd == command_.errors.get()) {
            read_errors();
        } else if (fd == command_.input.get()) {
            write_input();
        } else {
            serve_warden(events);
        }
    }

    void take_control() {
        char what = 0;
        host_is_gone_ = ::recv(control_.get(), &what, 1, MSG_DONTWAIT) <= 0;
    }

    void read_output() {
        std::array<char, 128U << 10> part{};
        const ssize_t got = ::read(command_.output.get(), part.data(), part.size());
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (got <= 0) {
            end_ = why_it_ended();
            return;
        }
        if (auto fed = mux_.feed({part.data(), static_cast<std::size_t>(got)}); !fed) {
            end_ = fed.error().text() + said();
            return;
        }
        if (mux_.greeted() && !swept_) {
            swept_ = true;
            start_beside(spec_.sweep);
        }
        for (auto& arrival : mux_.take_arrivals()) {
            take(std::move(arrival));
        }
    }

    void take(Arrival arrival) {
        if (arrival.channel == kWarden) {
            to_warden_ += arrival.bytes;
            return;
        }
        const auto lane = lanes_.find(arrival.channel);
        if (lane == lanes_.end()) {
            return;
        }
        lane->second.pending += arrival.bytes;
        if (arrival.closed) {
            lane->second.ended = true;
            linger_until_ = Clock::now() + kTimeToLinger;
        }
    }

    void read_errors() {
        std::array<char, 4096> part{};
        const ssize_t got = ::read(command_.errors.get(), part.data(), part.size());
        if (got > 0) {
            keep_tail(tail_, {part.data(), static_cast<std::size_t>(got)});
        } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            command_.errors.reset();  // poll passes over a negative number
        }
    }

    void write_input() {
        while (!head_.empty() || mux_.wants_to_write()) {
            const std::string_view bytes = head_.empty() ? mux_.next() : std::string_view(head_);
            const ssize_t done = ::write(command_.input.get(), bytes.data(), bytes.size());
            if (done < 0) {
                if (errno != EAGAIN && errno != EINTR) {
                    command_.input.reset();  // the end of its output follows
                }
                return;
            }
            if (head_.empty()) {
                mux_.written(static_cast<std::size_t>(done));
            } else {
                head_.erase(0, static_cast<std::size_t>(done));
            }
        }
    }

    // --- the host's warden socket

    void serve_warden(short events) {
        if ((events & POLLIN) != 0) {
            read_warden();
        } else if ((events & (POLLHUP | POLLERR)) != 0) {
            end_ = "";
        }
    }

    void read_warden() {
        constexpr std::size_t kMostDescriptors = 4;
        std::array<char, 4096> part{};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMostDescriptors)> beside{};
        iovec where{part.data(), std::min<std::size_t>(part.size(), mux_.room(kWarden))};
        msghdr message{};
        message.msg_iov = &where;
        message.msg_iovlen = 1;
        message.msg_control = beside.data();
        message.msg_controllen = beside.size();
        const ssize_t got = ::recvmsg(warden_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        for (cmsghdr* one = CMSG_FIRSTHDR(&message); got >= 0 && one != nullptr;
             one = CMSG_NXTHDR(&message, one)) {
            if (one->cmsg_level == SOL_SOCKET && one->cmsg_type == SCM_RIGHTS) {
                take_sockets(*one);
            }
        }
        if (got <= 0) {
            end_ = "";
        } else if (!end_) {
            mux_.send(kWarden, {part.data(), static_cast<std::size_t>(got)});
        }
    }

    void take_sockets(const cmsghdr& header) {
        const std::size_t count = (header.cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int number = -1;
            std::memcpy(&number, CMSG_DATA(&header) + i * sizeof(int), sizeof number);
            UniqueFd socket(number);
            ::fcntl(socket.get(), F_SETFL, O_NONBLOCK);
            auto channel = mux_.open();
            if (!channel) {
                end_ = channel.error().text();
                return;
            }
            lanes_[*channel].socket = std::move(socket);
        }
    }

    // --- a worker's sockets

    void serve_lane(std::uint32_t number, short events) {
        const auto found = lanes_.find(number);
        if (found == lanes_.end()) {
            return;
        }
        if ((events & POLLIN) != 0) {
            std::array<char, kMostData> part{};
            const auto most = std::min<std::size_t>(part.size(), mux_.room(number));
            const ssize_t got = ::read(found->second.socket.get(), part.data(), most);
            if (got > 0) {
                mux_.send(number, {part.data(), static_cast<std::size_t>(got)});
            } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
                drop(number);
            }
        } else if ((events & (POLLHUP | POLLERR)) != 0) {
            drop(number);
        }
    }

    void drop(std::uint32_t number) {
        lanes_.erase(number);
        mux_.close(number);
    }

    // --- onwards to the host

    // Tells how much went; nothing: the other end is gone.
    static std::optional<std::size_t> pass(int fd, std::string& bytes) {
        std::size_t passed = 0;
        while (passed < bytes.size()) {
            const ssize_t done =
                ::send(fd, bytes.data() + passed, bytes.size() - passed, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (done < 0 && errno != EAGAIN && errno != EINTR) {
                return std::nullopt;
            }
            if (done < 0) {
                break;
            }
            passed += static_cast<std::size_t>(done);
        }
        bytes.erase(0, passed);
        return passed;
    }

    void hand_on() {
        std::vector<std::uint32_t> done;
        for (auto& [number, lane] : lanes_) {
            const auto passed = pass(lane.socket.get(), lane.pending);
            if (!passed || (lane.ended && lane.pending.empty())) {
                done.push_back(number);
            } else {
                mux_.taken(number, static_cast<std::uint32_t>(*passed));
            }
        }
        for (const std::uint32_t number : done) {
            drop(number);
        }
        // The warden's word of a worker's end comes after all that the worker sent.
        if (!lingering()) {
            if (const auto passed = pass(warden_.get(), to_warden_)) {
                mux_.taken(kWarden, static_cast<std::uint32_t>(*passed));
            } else {
                end_ = "";
            }
        }
    }

    [[nodiscard]] bool lingering() const {
        return linger_until_ && Clock::now() < *linger_until_ &&
               std::any_of(lanes_.begin(), lanes_.end(), [](const auto& one) { return one.second.ended; });
    }

    [[nodiscard]] int milliseconds() const { return lingering() ? 20 : -1; }

    // --- the end

    std::string why_it_ended() {
        const std::string how = how_it_ended(command_, kTimeToLeave);
        while (command_.errors.valid()) {
            const std::size_t before = tail_.size();
            read_errors();
            if (tail_.size() == before) {
                break;
            }
        }
        const std::string start =
            how.empty() ? "the connection to the sandbox was lost" : spec_.command[0] + " " + how;
        return start + said();
    }

    [[nodiscard]] std::string said() const {
        std::string text = mux_.greeted() ? "" : mux_.noise().substr(0, kTail);
        text += tail_;
        return text.empty() ? "" : "; it wrote: " + text;
    }

    void finish() {
        std::string reason = end_.value_or("").substr(0, kMostReason - 1);
        reason += '\n';  // an empty message would be taken for the end
        (void)::send(control_.get(), reason.data(), reason.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        warden_.reset();
        lanes_.clear();
        end_command(command_, spec_, host_is_gone_);
        char ignored = 0;
        while (!host_is_gone_ && (::recv(control_.get(), &ignored, 1, 0) > 0 || errno == EINTR)) {
        }
    }

    const Spec& spec_;
    UniqueFd warden_;
    UniqueFd control_;
    std::string head_;  // goes before the frames
    Command command_;
    Mux mux_;
    std::map<std::uint32_t, Lane> lanes_;
    std::string to_warden_;
    std::optional<Clock::time_point> linger_until_;
    std::string tail_;                // of its stderr
    std::optional<std::string> end_;  // why, in words; empty: the host wants it so
    bool host_is_gone_ = false;
    bool swept_ = false;
};

}  // namespace

void serve(const Spec& spec, UniqueFd warden, UniqueFd control) {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP}) {
        ::signal(number, SIG_IGN);
    }
    ::signal(SIGCHLD, SIG_DFL);
    Relay(spec, std::move(warden), std::move(control)).run();
}

}  // namespace cellblock::sandbox::relay
