// Sockets, without blocking.
#include "sandbox/relay/host_side.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "sandbox/base/socket.h"

namespace cellblock::sandbox::relay {

namespace {

using namespace std::chrono_literals;

constexpr auto kTimeToLinger = 2s;  // for a host that doesn't read the last bytes of a worker that has ended
constexpr auto kPause = 20ms;       // meanwhile

}  // namespace

HostSide::HostSide(EventLoop& loop, UniqueFd warden, Mux& mux)
    : loop_(loop), warden_(std::move(warden)), mux_(mux) {
    loop_.watch(warden_.get(), {.hangup = true}, [this](auto what) { serve_warden(what); });
}

void HostSide::update_interests() {
    loop_.set_interest(
        warden_.get(),
        {.reads = mux_.room(kWarden) > 0, .writes = !lingering() && !to_warden_.empty(), .hangup = true});
    for (const auto& [number, lane] : lanes_) {
        loop_.set_interest(
            lane.socket.get(),
            {.reads = !lane.ended && mux_.room(number) > 0, .writes = !lane.pending.empty(), .hangup = true});
    }
}

std::chrono::milliseconds HostSide::patience() const {
    return lingering() ? kPause : EventLoop::kForever;
}

// --- the warden's

void HostSide::serve_warden(EventLoop::Interest what) {
    if (what.reads) {
        read_warden();
    } else if (what.hangup) {
        gone_ = true;
    }
}

void HostSide::read_warden() {
    std::array<char, 4096> part{};
    const std::size_t most = std::min<std::size_t>(part.size(), mux_.room(kWarden));
    Received received = receive_with_descriptors(warden_.get(), {part.data(), most});
    if (received.size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    for (auto& socket : received.descriptors) {
        take_socket(std::move(socket));
    }
    gone_ = gone_ || received.size <= 0;
    if (!gone_ && violation_.empty()) {
        mux_.send(kWarden, {part.data(), static_cast<std::size_t>(received.size)});
    }
}

void HostSide::take_socket(UniqueFd socket) {
    ::fcntl(socket.get(), F_SETFL, O_NONBLOCK);
    if (!violation_.empty()) {
        return;
    }
    auto channel = mux_.open();
    if (!channel) {
        violation_ = channel.error().text();
        return;
    }
    loop_.watch(socket.get(), {.hangup = true},
                [this, number = *channel](auto what) { serve_lane(number, what); });
    lanes_[*channel].socket = std::move(socket);
}

// --- a worker's

void HostSide::serve_lane(std::uint32_t number, EventLoop::Interest what) {
    const auto found = lanes_.find(number);
    if (found == lanes_.end()) {
        return;
    }
    if (what.reads) {
        std::array<char, kMostData> part{};
        const auto most = std::min<std::size_t>(part.size(), mux_.room(number));
        const ssize_t got = ::read(found->second.socket.get(), part.data(), most);
        if (got > 0) {
            mux_.send(number, {part.data(), static_cast<std::size_t>(got)});
        } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            drop(number);
        }
    } else if (what.hangup) {
        drop(number);
    }
}

void HostSide::drop(std::uint32_t number) {
    loop_.forget(lanes_[number].socket.get());
    lanes_.erase(number);
    mux_.close(number);
}

// --- onwards

void HostSide::take(const Arrival& arrival) {
    if (arrival.channel == kWarden) {
        to_warden_ += arrival.bytes;
        return;
    }
    const auto lane = lanes_.find(arrival.channel);
    if (lane == lanes_.end()) {
        return;
    }
    lane->second.pending += arrival.bytes;
    if (arrival.kind == Kind::close) {
        lane->second.ended = true;
        linger_until_ = Clock::now() + kTimeToLinger;
    }
}

void HostSide::hand_on() {
    std::vector<std::uint32_t> done;
    for (auto& [number, lane] : lanes_) {
        const auto passed = send_some(lane.socket.get(), lane.pending);
        if (!passed || (lane.ended && lane.pending.empty())) {
            done.push_back(number);
        } else {
            mux_.taken(number, *passed);
        }
    }
    for (const std::uint32_t number : done) {
        drop(number);
    }
    // The warden's message that a worker has ended comes after all that the worker sent.
    if (lingering()) {
        return;
    }
    if (const auto passed = send_some(warden_.get(), to_warden_)) {
        mux_.taken(kWarden, *passed);
    } else {
        gone_ = true;
    }
}

bool HostSide::lingering() const {
    return linger_until_ && Clock::now() < *linger_until_ &&
           std::any_of(lanes_.begin(), lanes_.end(), [](const auto& one) { return one.second.ended; });
}

void HostSide::close() {
    loop_.forget(warden_.get());
    warden_.reset();
    for (const auto& [number, lane] : lanes_) {
        loop_.forget(lane.socket.get());
    }
    lanes_.clear();
}

}  // namespace cellblock::sandbox::relay
