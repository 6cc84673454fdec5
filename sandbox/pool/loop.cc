// The loop.
#include "sandbox/pool/loop.h"

#include <sys/epoll.h>

#include <array>

namespace cellblock::sandbox::pool {

namespace {

constexpr int kAtOnce = 64;
constexpr unsigned kTurnShift = 32;

}  // namespace

Loop::Loop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

void Loop::watch(int fd, std::function<void()> ready) {
    const std::uint32_t turn = ++last_;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = (static_cast<std::uint64_t>(turn) << kTurnShift) | static_cast<std::uint32_t>(fd);
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) {
        watched_[fd] = {turn, std::move(ready)};
    }
}

void Loop::forget(int fd) {
    if (watched_.erase(fd) > 0) {
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    }
}

void Loop::turn(std::chrono::milliseconds most) {
    std::array<epoll_event, kAtOnce> events{};
    const int count = ::epoll_wait(epoll_.get(), events.data(), kAtOnce, static_cast<int>(most.count()));
    for (int i = 0; i < count; ++i) {
        const std::uint64_t tag = events[static_cast<std::size_t>(i)].data.u64;
        const auto found = watched_.find(static_cast<int>(tag & 0xffffffffU));
        if (found != watched_.end() && found->second.turn == tag >> kTurnShift) {
            const auto ready = found->second.ready;  // it may forget itself
            ready();
        }
    }
}

}  // namespace cellblock::sandbox::pool
