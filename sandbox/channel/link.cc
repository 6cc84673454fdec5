// The sockets between the host and one sandbox.
#include "sandbox/channel/link.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "sandbox/base/socket.h"
#include "sandbox/channel/messages.h"

namespace cellblock::sandbox {

namespace {

void watch_for(int epoll, int fd, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    if (::epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) != 0 && errno == ENOENT) {
        ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

}  // namespace

Result<WorkerSockets> start_worker(int warden_fd, bool debugger) {
    WorkerSockets ours;
    std::vector<UniqueFd> theirs;
    std::vector<int> numbers;
    for (UniqueFd* end : {&ours.worker, &ours.debugger}) {
        if (end == &ours.debugger && !debugger) {
            continue;
        }
        CELLBLOCK_ASSIGN_OR_RETURN(auto sockets,
                                   make_socket_pair(SOCK_STREAM, "make a socket for the worker"));
        *end = std::move(sockets.ours);
        numbers.push_back(sockets.theirs.get());
        theirs.push_back(std::move(sockets.theirs));
    }
    CELLBLOCK_RETURN_IF_ERROR(
        send_frame_with_descriptors(warden_fd, encode_warden_command("start_worker"), numbers));
    return ours;
}

Result<UniqueFd> start_agent(int warden_fd, const char* command) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto sockets, make_socket_pair(SOCK_STREAM, "make a socket for an agent"));
    const int theirs = sockets.theirs.get();
    CELLBLOCK_RETURN_IF_ERROR(
        send_frame_with_descriptors(warden_fd, encode_warden_command(command), {&theirs, 1}));
    return std::move(sockets.ours);
}

// --- one end

void Link::End::open(UniqueFd fd, int epoll) {
    reset();
    fd_ = std::move(fd);
    epoll_ = epoll;
    watch();
}

// Where nothing is wanted it is taken out: an end is told of even to those who ask for nothing.
void Link::End::watch() const {
    const std::uint32_t events = (held_ ? 0U : static_cast<std::uint32_t>(EPOLLIN)) |
                                 (waits_for_room_ ? static_cast<std::uint32_t>(EPOLLOUT) : 0U);
    if (events != 0) {
        watch_for(epoll_, fd_.get(), events);
    } else {
        ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd_.get(), nullptr);
    }
}

void Link::End::hold(bool held) {
    held_ = held;
    if (fd_.valid()) {
        watch();
    }
}

void Link::End::reset() {
    fd_.reset();  // closing takes it out of the epoll set
    reader_ = FrameReader(bounds_);
    writer_ = FrameWriter();
    waits_for_room_ = false;
}

Status Link::End::send(OutgoingFrame frame) {
    if (!fd_.valid()) {
        return Error{"send to the sandbox", 0, "nobody listens there", {}};
    }
    if (auto pushed = writer_.push(std::move(frame)); !pushed) {
        return pushed;
    }
    return flush();
}

Status Link::End::flush() {
    if (!fd_.valid()) {
        return Ok{};
    }
    auto flushed = writer_.flush(fd_.get());
    const bool waits = flushed.ok() && !writer_.empty();
    if (waits != waits_for_room_) {
        waits_for_room_ = waits;
        watch();
    }
    return flushed;
}

// --- all sockets

Link::Link(int warden_fd, bool debugger)
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)), warden_fd_(warden_fd), with_debugger_(debugger) {
    watch_for(epoll_.get(), warden_fd_, EPOLLIN);
}

Status Link::start_worker() {
    drop_worker();
    CELLBLOCK_ASSIGN_OR_RETURN(auto sockets, sandbox::start_worker(warden_fd_, with_debugger_));
    adopt_worker(std::move(sockets));
    return Ok{};
}

void Link::adopt_worker(WorkerSockets sockets) {
    worker_.open(std::move(sockets.worker), epoll_.get());
    if (sockets.debugger.valid()) {
        debugger_.open(std::move(sockets.debugger), epoll_.get());
    }
}

void Link::hold(bool held) {
    worker_.hold(held);
    debugger_.hold(held);
}

void Link::drop_worker() {
    worker_.reset();
    debugger_.reset();
}

Status Link::send_to_warden(const char* command) {
    const std::string bytes = encode_warden_command(command);
    const ssize_t sent = ::send(warden_fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(bytes.size())) {
        return errno_error("send to the warden");
    }
    return Ok{};
}

Status Link::send_to_worker(OutgoingFrame frame) {
    return worker_.send(std::move(frame));
}

Status Link::send_to_debugger(OutgoingFrame frame) {
    return debugger_.send(std::move(frame));
}

Status Link::send_to_agent(End& agent, const char* command, OutgoingFrame frame) {
    if (!agent.valid()) {
        CELLBLOCK_ASSIGN_OR_RETURN(auto socket, start_agent(warden_fd_, command));
        agent.open(std::move(socket), epoll_.get());
    }
    return agent.send(std::move(frame));
}

Status Link::send_to_files(OutgoingFrame frame) {
    return send_to_agent(files_, "start_files", std::move(frame));
}

Status Link::send_to_commands(OutgoingFrame frame) {
    return send_to_agent(commands_, "start_commands", std::move(frame));
}

Status Link::flush() {
    auto flushed = worker_.flush();
    (void)files_.flush();  // its end of file tells
    (void)commands_.flush();
    if (!debugger_.flush()) {
        debugger_.reset();  // it has closed this one alone; requests find none
    }
    return flushed;
}

}  // namespace cellblock::sandbox
