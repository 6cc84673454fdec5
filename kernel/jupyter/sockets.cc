#include "kernel/jupyter/sockets.h"

#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <iostream>
#include <random>

namespace cellblock::kernel {

using sandbox::Error;
using sandbox::Result;
using sandbox::Status;

namespace {

constexpr int kLingerMilliseconds = 1000;
// How many requests ZMQ reads ahead from each client, before their signatures are checked. A client that
// sends more keeps them in its own queue.
constexpr int kQueuedRequests = 16;
constexpr std::int64_t kMaxControlBytes = 16 << 20;      // a debugger's source code, a line for input()
constexpr std::int64_t kMaxSubscriptionBytes = 1 << 12;  // ZMQ keeps them in a tree as deep as they are long
constexpr int kQueuedReplies = 100'000;                  // for one client that doesn't read
constexpr int kIpcTries = 1000;

// While it lives, the process's files get the owner's rights alone: zmq makes ipc sockets that every user may
// open.
class PrivateFiles {
public:
    PrivateFiles() : before_(::umask(0077)) {}
    ~PrivateFiles() { ::umask(before_); }
    PrivateFiles(const PrivateFiles&) = delete;
    PrivateFiles& operator=(const PrivateFiles&) = delete;

private:
    mode_t before_;
};

// Chooses a number whose path is free, because zmq has no "any port" for ipc.
void choose_ipc_port(Connection& connection, Channel channel) {
    std::random_device random;
    for (int i = 0; i < kIpcTries; ++i) {
        connection.set_port(channel, static_cast<int>(1024 + random() % 60'000));
        struct stat found {};
        if (::stat(connection.endpoint(channel).c_str() + sizeof "ipc://" - 1, &found) != 0) {
            return;
        }
    }
}

void set_options(zmq::socket_t& socket, Channel channel) {
    socket.set(zmq::sockopt::linger, kLingerMilliseconds);
    const std::int64_t most = channel == Channel::shell   ? static_cast<std::int64_t>(kMaxMessageBytes)
                              : channel == Channel::iopub ? kMaxSubscriptionBytes
                                                          : kMaxControlBytes;
    socket.set(zmq::sockopt::maxmsgsize, most);
    if (channel == Channel::iopub) {
        socket.set(zmq::sockopt::sndhwm, 0);  // a closing `idle` must never be the message that is dropped
        socket.set(zmq::sockopt::xpub_verbose, 1);
        return;
    }
    socket.set(zmq::sockopt::router_handover, true);  // a client that comes back takes its identity with it
    socket.set(zmq::sockopt::rcvhwm, kQueuedRequests);
    socket.set(zmq::sockopt::sndhwm, kQueuedReplies);
}

// A long string's memory goes with the message, without a copy.
zmq::message_t as_zmq(std::string text) {
    constexpr std::size_t kWorthIt = 4096;
    if (text.size() < kWorthIt) {
        return zmq::message_t(text.data(), text.size());
    }
    auto* kept = new std::string(std::move(text));
    return zmq::message_t(
        kept->data(), kept->size(), [](void*, void* hint) { delete static_cast<std::string*>(hint); }, kept);
}

}  // namespace

Status bind_channel(zmq::socket_t& socket, Connection& connection, Channel channel) {
    const bool any_port = connection.port(channel) == 0;
    const bool ipc = connection.transport == "ipc";
    if (any_port && ipc) {
        choose_ipc_port(connection, channel);
    }
    const std::string endpoint = connection.endpoint(channel);
    const char* name = kPortNames[static_cast<std::size_t>(channel)];
    try {
        std::optional<PrivateFiles> owner_only;
        if (ipc) {
            owner_only.emplace();
        }
        socket.set(zmq::sockopt::ipv6, connection.ip.find(':') != std::string::npos);
        socket.bind(endpoint);
        if (any_port && !ipc) {
            const std::string bound = socket.get(zmq::sockopt::last_endpoint);
            connection.set_port(channel, std::stoi(bound.substr(bound.rfind(':') + 1)));
        }
    } catch (const std::exception&) {
        return Error{
            "bind " + std::string(name) + " " + std::to_string(connection.port(channel)) + " (" + endpoint +
                ")",
            zmq_errno(),
            zmq_errno() == EADDRINUSE ? "the port is taken by another program" : zmq_strerror(zmq_errno()),
            "Start the kernel once more; Jupyter then chooses other ports"};
    }
    return sandbox::Ok{};
}

Result<std::unique_ptr<Sockets>> Sockets::bind(Connection& connection) {
    std::unique_ptr<Sockets> made(new Sockets);
    try {
        made->gate_.emplace(made->context_, connection);
    } catch (const zmq::error_t& failed) {
        return Error{"make a ZMQ socket", failed.num(), failed.what(), {}};
    }
    for (const Channel channel : {Channel::shell, Channel::control, Channel::input, Channel::iopub}) {
        const auto type = channel == Channel::iopub ? zmq::socket_type::xpub : zmq::socket_type::router;
        try {
            made->of(channel) = zmq::socket_t(made->context_, type);
            set_options(made->of(channel), channel);
            made->gate_->guard(made->of(channel), channel);
        } catch (const zmq::error_t& failed) {
            return Error{"make a ZMQ socket", failed.num(), failed.what(), {}};
        }
        CELLBLOCK_RETURN_IF_ERROR(bind_channel(made->of(channel), connection, channel));
        made->descriptors_[static_cast<std::size_t>(channel)] = made->of(channel).get(zmq::sockopt::fd);
    }
    made->gate_->open();
    return made;
}

std::optional<Frames> Sockets::receive(Channel channel) {
    Frames frames;
    bool more = true;
    was_used_[static_cast<std::size_t>(channel)] = true;
    while (more) {
        zmq::message_t part;
        const int got = zmq_msg_recv(part.handle(), handle(channel), ZMQ_DONTWAIT);
        if (got < 0) {
            if (zmq_errno() == EINTR) {
                continue;
            }
            return std::nullopt;  // nothing there; the rest of a message is there as soon as its start
        }
        frames.emplace_back(part.data<char>(), part.size());
        more = part.more();
    }
    return frames;
}

void Sockets::send(Channel channel, Frames frames) {
    was_used_[static_cast<std::size_t>(channel)] = true;  // ZMQ may have taken in what its descriptor told of
    for (std::size_t i = 0; i < frames.size(); ++i) {
        zmq::message_t part = as_zmq(std::move(frames[i]));
        const int flags = ZMQ_DONTWAIT | (i + 1 < frames.size() ? ZMQ_SNDMORE : 0);
        int sent = -1;
        do {
            sent = zmq_msg_send(part.handle(), handle(channel), flags);
        } while (sent < 0 && zmq_errno() == EINTR);
        if (sent < 0) {
            std::cerr << "cellblock kernel: a message could not be sent: " << zmq_strerror(zmq_errno())
                      << "\n";
            return;
        }
    }
}

// ZMQ tells by a socket's descriptor that something has happened since the socket was last asked, and only
// then; zmq_poll() asks each socket whenever it is called, twice where it waits.
Readable Sockets::wait(const std::vector<Channel>& channels, const std::vector<int>& fds,
                       std::chrono::milliseconds longest) {
    const auto end = std::chrono::steady_clock::now() + longest;
    while (true) {
        Readable readable;
        std::array<pollfd, 4 + kMaxWaitedFds> items{};
        std::size_t count = 0;
        bool is_any = false;
        for (const Channel channel : channels) {
            is_any = has_message(channel) || is_any;
            items[count++] = {descriptors_[static_cast<std::size_t>(channel)], POLLIN, 0};
        }
        for (const int fd : fds) {
            items[count++] = {fd, POLLIN, 0};
        }
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        const auto time = is_any ? 0 : longest.count() < 0 ? -1 : std::max<std::int64_t>(left.count(), 0);
        const int found =
            ::poll(items.data(), count, static_cast<int>(std::min<std::int64_t>(time, INT_MAX)));
        if (found < 0) {
            return {};
        }
        for (std::size_t i = 0; i < channels.size(); ++i) {
            const auto channel = static_cast<std::size_t>(channels[i]);
            was_used_[channel] = was_used_[channel] || items[i].revents != 0;
            readable.channels[channel] = has_message(channels[i]);
            is_any = is_any || readable.channels[channel];
        }
        for (std::size_t i = 0; i < fds.size(); ++i) {
            readable.fds[i] = items[channels.size() + i].revents != 0;
            is_any = is_any || readable.fds[i];
        }
        if (is_any || found == 0) {
            return readable;
        }
    }
}

bool Sockets::has_message(Channel channel) {
    bool& was_used = was_used_[static_cast<std::size_t>(channel)];
    int events = 0;
    std::size_t size = sizeof events;
    while (was_used && zmq_getsockopt(handle(channel), ZMQ_EVENTS, &events, &size) < 0 &&
           zmq_errno() == EINTR) {
    }
    was_used = was_used && (events & ZMQ_POLLIN) != 0;
    return was_used;
}

}  // namespace cellblock::kernel
