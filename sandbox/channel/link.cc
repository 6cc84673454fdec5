// The sockets of one sandbox.
#include "sandbox/channel/link.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>

#include "sandbox/channel/messages.h"

namespace cellblock::sandbox {

Link::Link(int warden_fd) : epoll_(::epoll_create1(EPOLL_CLOEXEC)), warden_fd_(warden_fd) {
    watch(EPOLL_CTL_ADD, warden_fd_, false);
}

void Link::watch(int operation, int fd, bool for_writing) const {
    epoll_event event{};
    event.events = EPOLLIN | (for_writing ? static_cast<std::uint32_t>(EPOLLOUT) : 0U);
    event.data.fd = fd;
    ::epoll_ctl(epoll_.get(), operation, fd, &event);
}

Status Link::start_worker() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
        return errno_error("make a socket for the worker");
    }
    UniqueFd ours(ends[0]);
    const UniqueFd theirs(ends[1]);
    if (auto sent =
            send_frame_with_descriptor(warden_fd_, encode_warden_command("start_worker"), theirs.get());
        !sent) {
        return sent;
    }
    drop_worker();
    worker_ = std::move(ours);
    watch(EPOLL_CTL_ADD, worker_.get(), false);
    return Ok{};
}

void Link::drop_worker() {
    worker_.reset();  // closing takes it out of the epoll set
    worker_reader_ = FrameReader(kWorkerBounds);
    worker_writer_ = FrameWriter();
    waits_for_room_ = false;
}

Status Link::send_to_warden(const char* command) {
    const std::string bytes = encode_warden_command(command);
    const ssize_t sent = ::send(warden_fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(bytes.size())) {
        return errno_error("send to the warden");
    }
    return Ok{};
}

Status Link::send_to_worker(std::string bytes) {
    if (!worker_.valid()) {
        return Error{"send to the worker", 0, "there is none", {}};
    }
    if (auto pushed = worker_writer_.push(std::move(bytes)); !pushed) {
        return pushed;
    }
    return flush();
}

Status Link::flush() {
    if (!worker_.valid()) {
        return Ok{};
    }
    auto flushed = worker_writer_.flush(worker_.get());
    const bool waits = flushed.ok() && !worker_writer_.empty();
    if (waits != waits_for_room_) {
        waits_for_room_ = waits;
        watch(EPOLL_CTL_MOD, worker_.get(), waits);
    }
    return flushed;
}

}  // namespace cellblock::sandbox
