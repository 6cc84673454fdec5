// Sockets, without blocking.
#include "sandbox/relay/host_side.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace cellblock::sandbox::relay {

namespace {

using namespace std::chrono_literals;

constexpr auto kTimeToLinger = 2s;  // for a host that doesn't read a dead worker's last words

pollfd watch(int fd, bool reads, bool writes) {
    return {fd, static_cast<short>((reads ? POLLIN : 0) | (writes ? POLLOUT : 0)), 0};
}

// Tells how much went; nothing: the other end is gone.
std::optional<std::uint32_t> pass(int fd, std::string& bytes) {
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
    return static_cast<std::uint32_t>(passed);
}

}  // namespace

std::vector<pollfd> HostSide::watches() const {
    std::vector<pollfd> list{
        watch(warden_.get(), mux_.room(kWarden) > 0, !lingering() && !to_warden_.empty())};
    for (const auto& [number, lane] : lanes_) {
        list.push_back(watch(lane.socket.get(), !lane.ended && mux_.room(number) > 0, !lane.pending.empty()));
    }
    return list;
}

void HostSide::serve(const pollfd* answers) {
    std::vector<std::pair<std::uint32_t, short>> of_lanes;
    std::size_t at = 0;
    for (const auto& one : lanes_) {
        of_lanes.emplace_back(one.first, answers[++at].revents);
    }
    if (answers[0].revents != 0) {
        serve_warden(answers[0].revents);
    }
    for (const auto& [number, events] : of_lanes) {
        if (events != 0) {
            serve_lane(number, events);
        }
    }
}

// --- the warden's

void HostSide::serve_warden(short events) {
    if ((events & POLLIN) != 0) {
        read_warden();
    } else if ((events & (POLLHUP | POLLERR)) != 0) {
        gone_ = true;
    }
}

void HostSide::read_warden() {
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
    gone_ = gone_ || got <= 0;
    if (!gone_ && violation_.empty()) {
        mux_.send(kWarden, {part.data(), static_cast<std::size_t>(got)});
    }
}

void HostSide::take_sockets(const cmsghdr& header) {
    const std::size_t count = (header.cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
        int number = -1;
        std::memcpy(&number, CMSG_DATA(&header) + i * sizeof(int), sizeof number);
        UniqueFd socket(number);
        ::fcntl(socket.get(), F_SETFL, O_NONBLOCK);
        auto channel = mux_.open();
        if (!channel) {
            violation_ = channel.error().text();
            return;
        }
        lanes_[*channel].socket = std::move(socket);
    }
}

// --- a worker's

void HostSide::serve_lane(std::uint32_t number, short events) {
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

void HostSide::drop(std::uint32_t number) {
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
    if (arrival.closed) {
        lane->second.ended = true;
        linger_until_ = Clock::now() + kTimeToLinger;
    }
}

void HostSide::hand_on() {
    std::vector<std::uint32_t> done;
    for (auto& [number, lane] : lanes_) {
        const auto passed = pass(lane.socket.get(), lane.pending);
        if (!passed || (lane.ended && lane.pending.empty())) {
            done.push_back(number);
        } else {
            mux_.taken(number, *passed);
        }
    }
    for (const std::uint32_t number : done) {
        drop(number);
    }
    // The warden's word of a worker's end comes after all that the worker sent.
    if (lingering()) {
        return;
    }
    if (const auto passed = pass(warden_.get(), to_warden_)) {
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
    warden_.reset();
    lanes_.clear();
}

}  // namespace cellblock::sandbox::relay
