// Pairs of sockets, without blocking.
#include "sandbox/relay/connections.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <vector>

#include "sandbox/base/socket.h"

namespace cellblock::sandbox::relay {

namespace {

using namespace std::chrono_literals;

// As fast as the broker takes them (network/broker.cc).
constexpr double kAtOnce = 500;
constexpr double kPerSecond = 100;
constexpr auto kPause = 50ms;

// Both directions are over.
bool is_hung_up(const UniqueFd& socket) {
    pollfd state{socket.get(), 0, 0};
    return ::poll(&state, 1, 0) > 0 && (state.revents & (POLLHUP | POLLERR)) != 0;
}

}  // namespace

Connections::Connections(EventLoop& loop, Mux& mux, UniqueFd door)
    : loop_(loop), mux_(mux), door_(std::move(door)), pace_(kAtOnce, kPerSecond) {}

void Connections::update_interests() {
    const bool is_full = mux_.is_full();
    for (const auto& [number, one] : connections_) {
        const bool reads = !one.closed_here && !is_full && mux_.room(number) > 0;
        loop_.set_interest(one.socket.get(), {.reads = reads,
                                              .writes = one.takes && !one.pending.empty(),
                                              .hangup = reads || one.closed_here});
    }
}

std::chrono::milliseconds Connections::patience() const {
    return mux_.connections_over() > 0 ? kPause : EventLoop::kForever;
}

// --- towards the inside

void Connections::serve(std::uint32_t number, EventLoop::Interest what) {
    const auto found = connections_.find(number);
    if (found == connections_.end()) {
        return;
    }
    Connection& one = found->second;
    if (one.closed_here) {
        return is_hung_up(one.socket) ? end(number) : void();
    }
    if ((what.reads || what.hangup) && mux_.room(number) > 0) {
        read(number, one);
    }
}

void Connections::read(std::uint32_t number, Connection& one) {
    std::array<char, kMostData> part{};
    const auto most = std::min<std::size_t>(part.size(), mux_.room(number));
    const ssize_t got = ::recv(one.socket.get(), part.data(), most, MSG_DONTWAIT);
    if (got > 0) {
        mux_.send(number, {part.data(), static_cast<std::size_t>(got)});
    } else if (got == 0 && !is_hung_up(one.socket)) {
        one.closed_here = true;
        mux_.close(number);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        end(number);
    }
}

void Connections::end(std::uint32_t number) {
    if (const auto found = connections_.find(number); found != connections_.end()) {
        loop_.forget(found->second.socket.get());
        connections_.erase(found);
    }
    mux_.end(number);
}

// --- from the inside

void Connections::take(const Arrival& arrival) {
    const std::uint32_t number = arrival.channel;
    if (arrival.kind == Kind::open) {
        return begin(number);
    }
    if (arrival.kind == Kind::end) {
        return end(number);  // the program reads no more: what it has sent before is of no use either
    }
    const auto found = connections_.find(number);
    if (found == connections_.end()) {
        return;
    }
    Connection& one = found->second;
    one.closed_there = one.closed_there || arrival.kind == Kind::close;
    if (one.takes) {
        one.pending += arrival.bytes;
    } else {
        mux_.taken(number, static_cast<std::uint32_t>(arrival.bytes.size()));
    }
}

void Connections::begin(std::uint32_t number) {
    auto pair = make_socket_pair(SOCK_STREAM | SOCK_NONBLOCK, "hand a connection over");
    const bool handed_over =
        pair && door_.valid() &&
        send_with_descriptors(door_.get(), std::string_view("c"), std::array{pair->theirs.get()}) == 1;
    if (!handed_over) {
        return mux_.end(number);  // nobody takes it, or not so many at a time
    }
    const int socket = pair->ours.get();
    connections_[number].socket = std::move(pair->ours);
    loop_.watch(socket, {.reads = true, .hangup = true}, [this, number](auto what) { serve(number, what); });
}

void Connections::hand_on() {
    for (auto& [number, one] : connections_) {
        const auto passed = send_some(one.socket.get(), one.pending);
        one.takes = one.takes && passed.has_value();
        mux_.taken(number, passed ? *passed : static_cast<std::uint32_t>(one.pending.size()));
        if (!one.takes) {
            one.pending.clear();  // what the broker has sent before is still to be read
        }
        if (one.closed_there && one.pending.empty() && !std::exchange(one.told, true)) {
            ::shutdown(one.socket.get(), SHUT_WR);
        }
    }
    while (mux_.connections_over() > 0 && pace_.spend(EventLoop::Clock::now())) {
        mux_.permit_connection();
    }
}

void Connections::close() {
    for (const auto& [number, one] : connections_) {
        loop_.forget(one.socket.get());
    }
    connections_.clear();
    door_.reset();
}

}  // namespace cellblock::sandbox::relay
