// Between the host's sockets and the command's pipes.
#include "sandbox/relay/relay.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <optional>
#include <utility>

#include "sandbox/base/event_loop.h"
#include "sandbox/base/socket.h"
#include "sandbox/relay/command.h"
#include "sandbox/relay/connections.h"
#include "sandbox/relay/host_side.h"
#include "sandbox/relay/mux.h"

namespace cellblock::sandbox::relay {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kTail = 2000;  // of stderr that is kept
constexpr auto kTimeToTell = 500ms;  // for a command whose output has ended, to say how it ended

void keep_tail(std::string& tail, std::string_view more) {
    tail += more;
    if (tail.size() > kTail) {
        tail.erase(0, tail.size() - kTail);
    }
}

// A connection to the proxy is a descriptor here. The command has the limits of its start.
void let_more_be_open() {
    constexpr rlim_t kWanted = 4096;
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < kWanted) {
        files.rlim_cur = std::min(files.rlim_max, kWanted);
        ::setrlimit(RLIMIT_NOFILE, &files);
    }
}

class Relay {
public:
    Relay(const Spec& spec, UniqueFd warden, UniqueFd control)
        : spec_(spec),
          control_(std::move(control)),
          head_(spec.program),
          warden_(std::move(warden)),
          mux_(spec.connections) {}

    Left run() {
        auto door = show_door();
        auto started = door ? start_command(spec_) : Result<Command>(door.error());
        if (started) {
            command_ = std::move(*started);
            let_more_be_open();
            connections_.emplace(loop_, mux_, std::move(*door));
            watch_all();
            while (!end_) {
                step();
            }
        } else {
            end_ = started.error().text();
        }
        finish();
        return how_;
    }

private:
    // Gives our end of it; invalid where there is no proxy.
    Result<UniqueFd> show_door() {
        constexpr const char* kStep = "hand over the way to the network's broker";
        if (spec_.connections == 0) {
            return UniqueFd();
        }
        CELLBLOCK_ASSIGN_OR_RETURN(auto door, make_socket_pair(SOCK_SEQPACKET, kStep));
        ::shutdown(door.ours.get(), SHUT_RD);  // the broker has nothing to say
        if (send_with_descriptors(control_.get(), std::string_view(&kDoor, 1),
                                  std::array{door.theirs.get()}) != 1) {
            return errno_error(kStep);
        }
        return std::move(door.ours);
    }

    // The loop serves in this order. Once an end is found nothing else is served.
    void watch_all() {
        const auto unless_ended = [this](auto serve) {
            return [this, serve](EventLoop::Interest /*what*/) {
                if (!end_) {
                    serve();
                }
            };
        };
        constexpr EventLoop::Interest kReads{.reads = true};
        bool watched = loop_.watch(control_.get(), kReads, unless_ended([this] { take_control(); }));
        host_.emplace(loop_, std::move(warden_), mux_);
        watched =
            loop_.watch(command_.errors.get(), kReads, unless_ended([this] { read_errors(); })) && watched;
        watched = loop_.watch(command_.input.get(), {}, unless_ended([this] { write_input(); })) && watched;
        watched =
            loop_.watch(command_.output.get(), kReads, unless_ended([this] { read_output(); })) && watched;
        if (!watched) {
            end_ = "the relay failed: it can't watch the command's output";
        }
    }

    void step() {
        host_->update_interests();
        connections_->update_interests();
        const bool writes = !head_.empty() || mux_.wants_to_write();
        if (command_.input.valid()) {
            loop_.set_interest(command_.input.get(), {.writes = writes});
        }
        if (auto turned = loop_.turn(patience()); !turned) {
            end_ = "the relay failed: " + turned.error().text();
            return;
        }
        if (end_ && how_ != Left::by_itself) {
            return;  // the host has asked for the end, or is gone
        }
        host_->hand_on();
        connections_->hand_on();
        if (!end_ && (host_->gone() || !host_->violation().empty())) {
            end_ = host_->violation();
            how_ = host_->gone() ? Left::with_its_host : how_;
        }
    }

    [[nodiscard]] std::chrono::milliseconds patience() const {
        const auto one = host_->patience();
        const auto other = connections_->patience();
        return one < 0ms ? other : other < 0ms ? one : std::min(one, other);
    }

    // A request to kill, or the host's end.
    void take_control() {
        char what = 0;
        host_is_gone_ = ::recv(control_.get(), &what, 1, MSG_DONTWAIT) <= 0;
        how_ = host_is_gone_ ? Left::with_its_host : Left::by_request;
        end_ = mux_.greeted() ? "" : heard();
    }

    // --- the command's pipes

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
            start_detached(spec_.sweep);
        }
        for (const auto& arrival : mux_.take_arrivals()) {
            is_connection(arrival.channel) ? connections_->take(arrival) : host_->take(arrival);
        }
    }

    void read_errors() {
        std::array<char, 4096> part{};
        const ssize_t got = ::read(command_.errors.get(), part.data(), part.size());
        if (got > 0) {
            keep_tail(tail_, {part.data(), static_cast<std::size_t>(got)});
        } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            loop_.forget(command_.errors.get());
            command_.errors.reset();
        }
    }

    void write_input() {
        while (!head_.empty() || mux_.wants_to_write()) {
            const std::string_view bytes = head_.empty() ? mux_.next() : std::string_view(head_);
            const ssize_t done = ::write(command_.input.get(), bytes.data(), bytes.size());
            if (done < 0) {
                if (errno != EAGAIN && errno != EINTR) {
                    loop_.forget(command_.input.get());  // the end of its output follows
                    command_.input.reset();
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

    // --- the end

    std::string why_it_ended() {
        const std::string how = how_it_ended(command_, kTimeToTell);
        for (std::size_t before = tail_.size() + 1; command_.errors.valid() && before != tail_.size();) {
            before = tail_.size();
            read_errors();
        }
        return (how.empty() ? "the connection to the sandbox was lost" : spec_.command[0] + " " + how) +
               said();
    }

    [[nodiscard]] std::string heard() const {
        return (mux_.greeted() ? "" : mux_.noise().substr(0, kTail)) + tail_;
    }

    [[nodiscard]] std::string said() const {
        const std::string text = heard();
        return text.empty() ? "" : "; it wrote: " + text;
    }

    void finish() {
        std::string reason = end_.value_or("").substr(0, kMostReason - 1);
        reason += '\n';  // an empty message would be taken for the end
        (void)::send(control_.get(), reason.data(), reason.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        connections_.reset();
        host_.reset();
        warden_.reset();
        end_command(command_, spec_, how_ == Left::with_its_host);
        while (!host_is_gone_) {
            char ignored = 0;
            const ssize_t got = ::recv(control_.get(), &ignored, 1, 0);
            host_is_gone_ = got == 0 || (got < 0 && errno != EINTR);
        }
        (void)::send(control_.get(), &kCleared, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    }

    const Spec& spec_;
    UniqueFd control_;
    std::string head_;  // goes before the frames
    UniqueFd warden_;   // until host_ has it
    EventLoop loop_;
    Mux mux_;
    std::optional<HostSide> host_;  // once the command is started, both
    std::optional<Connections> connections_;
    Command command_;
    std::string tail_;                // of its stderr
    std::optional<std::string> end_;  // why, in words; empty or what it said so far: the host wants it so
    bool host_is_gone_ = false;
    Left how_ = Left::by_itself;
    bool swept_ = false;
};

}  // namespace

Left serve(const Spec& spec, UniqueFd warden, UniqueFd control) {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP}) {
        ::signal(number, SIG_IGN);
    }
    ::signal(SIGCHLD, SIG_DFL);
    return Relay(spec, std::move(warden), std::move(control)).run();
}

}  // namespace cellblock::sandbox::relay
