// epoll(7).
#include "sandbox/base/event_loop.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace cellblock::sandbox {

namespace {

constexpr std::size_t kAtOnce = 64;
constexpr unsigned kNumberShift = 32;
constexpr std::uint64_t kDescriptorBits = 0xffffffffU;

bool is_none(EventLoop::Interest interest) {
    return interest == EventLoop::Interest{};
}

}  // namespace

EventLoop::EventLoop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

bool EventLoop::watch(int fd, std::function<void()> ready) {
    return watch(fd, {.reads = true}, [ready = std::move(ready)](Interest /*what*/) { ready(); });
}

bool EventLoop::watch(int fd, Interest interest, std::function<void(Interest)> ready) {
    Watched watched{++last_, {}, std::move(ready)};
    if (!change(fd, watched, interest)) {
        return false;
    }
    watched_[fd] = std::move(watched);
    return true;
}

void EventLoop::set_interest(int fd, Interest interest) {
    if (const auto found = watched_.find(fd); found != watched_.end() && found->second.interest != interest) {
        change(fd, found->second, interest);
    }
}

void EventLoop::forget(int fd) {
    if (const auto found = watched_.find(fd); found != watched_.end()) {
        change(fd, found->second, {});
        watched_.erase(found);
    }
}

bool EventLoop::change(int fd, Watched& watched, Interest interest) {
    epoll_event event{};
    event.events = (interest.reads ? EPOLLIN : 0U) | (interest.writes ? EPOLLOUT : 0U);
    event.data.u64 =
        (static_cast<std::uint64_t>(watched.number) << kNumberShift) | static_cast<std::uint32_t>(fd);
    const bool was = !is_none(watched.interest);
    watched.interest = interest;
    if (is_none(interest)) {
        return !was || ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr) == 0;
    }
    return ::epoll_ctl(epoll_.get(), was ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) == 0;
}

Status EventLoop::turn(std::chrono::milliseconds most) {
    std::array<epoll_event, kAtOnce> events{};
    const int count = ::epoll_wait(epoll_.get(), events.data(), kAtOnce, static_cast<int>(most.count()));
    if (count < 0) {
        return errno == EINTR ? Status(Ok{}) : errno_error("wait for events");
    }
    const auto end = events.begin() + count;
    std::sort(events.begin(), end, [](const auto& a, const auto& b) { return a.data.u64 < b.data.u64; });
    for (auto event = events.begin(); event != end; ++event) {
        const auto fd = static_cast<int>(event->data.u64 & kDescriptorBits);
        const auto found = watched_.find(fd);
        if (found != watched_.end() && found->second.number == event->data.u64 >> kNumberShift) {
            const std::uint32_t what = event->events;
            const auto ready = found->second.ready;  // it may forget itself
            ready({(what & EPOLLIN) != 0, (what & EPOLLOUT) != 0, (what & (EPOLLHUP | EPOLLERR)) != 0});
        }
    }
    return Ok{};
}

}  // namespace cellblock::sandbox
