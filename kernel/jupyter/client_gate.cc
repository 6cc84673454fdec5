// ZMQ's socket monitors report each connection, and ZAP (RFC 27) asks whether its handshake may go on.
#include "kernel/jupyter/client_gate.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "kernel/jupyter/wire.h"

namespace cellblock::kernel {

using sandbox::UniqueFd;
using Kind = PeerUser::Kind;

namespace {

constexpr const char* kAskedAt = "inproc://zeromq.zap.01";  // ZAP's own name: RFC 27
constexpr const char* kDomain = "cellblock";
constexpr int kHandshakeMilliseconds = 10'000;
constexpr rlim_t kMostConnections = 128;  // to each socket; a browser's tab has one to each
constexpr rlim_t kFewestConnections = 8;
constexpr rlim_t kKeptDescriptors = 256;  // for sandboxes and files
constexpr int kEventsBefore = 4096;       // more than ZMQ queues: what comes later is of later connections
constexpr auto kWatched = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_ACCEPT_FAILED | ZMQ_EVENT_DISCONNECTED;

std::size_t most_connections() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return kMostConnections;
    }
    // Half of the free descriptors, because a connection that is cut needs one for a moment, too.
    const rlim_t free = limit.rlim_cur > kKeptDescriptors ? limit.rlim_cur - kKeptDescriptors : 0;
    return std::clamp(free / (2 * kChannels), kFewestConnections, kMostConnections);
}

// A monitor's message: what happened, a number that belongs to it, and at which of our addresses.
struct Event {
    std::uint16_t what = 0;
    std::int32_t value = 0;
    std::string endpoint;
};

std::optional<Event> next_event(zmq::socket_t& events) {
    zmq::message_t head;
    zmq::message_t endpoint;
    if (zmq_msg_recv(head.handle(), events.handle(), ZMQ_DONTWAIT) < 0 || !head.more() ||
        zmq_msg_recv(endpoint.handle(), events.handle(), ZMQ_DONTWAIT) < 0) {
        return std::nullopt;
    }
    Event event;
    if (head.size() == sizeof event.what + sizeof event.value) {
        std::memcpy(&event.what, head.data(), sizeof event.what);
        std::memcpy(&event.value, head.data<char>() + sizeof event.what, sizeof event.value);
    }
    event.endpoint = endpoint.to_string();
    return event;
}

// ZMQ may have closed the descriptor meanwhile; then its number may belong to another file.
bool is_bound_to(int fd, const std::string& endpoint) {
    sockaddr_storage own{};
    socklen_t size = sizeof own;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) != 0) {
        return false;
    }
    if (own.ss_family == AF_UNIX) {
        const auto& name = reinterpret_cast<const sockaddr_un&>(own);
        return endpoint ==
               "ipc://" + std::string(name.sun_path, ::strnlen(name.sun_path, sizeof name.sun_path));
    }
    const std::uint16_t port =
        ntohs(own.ss_family == AF_INET ? reinterpret_cast<const sockaddr_in&>(own).sin_port
                                       : reinterpret_cast<const sockaddr_in6&>(own).sin6_port);
    return (own.ss_family == AF_INET || own.ss_family == AF_INET6) &&
           endpoint.ends_with(":" + std::to_string(port));
}

// ZMQ notices that the connection ended, and closes its descriptor.
void cut(int connection) {
    ::shutdown(connection, SHUT_RDWR);
}

std::optional<std::vector<std::string>> receive_all(zmq::socket_t& socket) {
    std::vector<std::string> frames;
    bool more = true;
    while (more) {
        zmq::message_t part;
        if (zmq_msg_recv(part.handle(), socket.handle(), ZMQ_DONTWAIT) < 0) {
            return std::nullopt;
        }
        frames.push_back(part.to_string());
        more = part.more();
    }
    return frames;
}

}  // namespace

ClientGate::ClientGate(zmq::context_t& context, const Connection& connection)
    : context_(context),
      connection_(connection),
      most_(most_connections()),
      handshakes_(context, zmq::socket_type::rep) {
    if (!connection.any_user) {
        users_ = {0, ::getuid(), ::geteuid(), connection.owner};
    }
    handshakes_.set(zmq::sockopt::linger, 0);
    handshakes_.bind(kAskedAt);
}

ClientGate::~ClientGate() {
    context_.shutdown();  // ZMQ's threads must not wait for a gate that reads no events any more
    if (thread_.joinable()) {
        thread_.join();
    }
}

void ClientGate::guard(zmq::socket_t& socket, Channel channel) {
    socket.set(zmq::sockopt::zap_domain, kDomain);
    socket.set(zmq::sockopt::handshake_ivl, kHandshakeMilliseconds);
    if (!connection_.curve_secret.empty()) {
        socket.set(zmq::sockopt::curve_server, true);
        socket.set(zmq::sockopt::curve_secretkey, connection_.curve_secret);
    }
    const char* name = kPortNames[static_cast<std::size_t>(channel)];
    const std::string events = std::string("inproc://events-") + name;
    if (zmq_socket_monitor(socket.handle(), events.c_str(), kWatched) != 0) {
        throw zmq::error_t();
    }
    doors_.push_back({name, zmq::socket_t(context_, zmq::socket_type::pair), {}});
    doors_.back().events.set(zmq::sockopt::linger, 0);
    doors_.back().events.connect(events);
}

void ClientGate::open() {
    thread_ = std::thread([this] { watch(); });
}

// Runs until the context is shut down.
void ClientGate::watch() {
    std::vector<zmq_pollitem_t> items{{handshakes_.handle(), 0, ZMQ_POLLIN, 0}};
    for (auto& door : doors_) {
        items.push_back({door.events.handle(), 0, ZMQ_POLLIN, 0});
    }
    while (zmq_poll(items.data(), static_cast<int>(items.size()), -1) >= 0 || zmq_errno() == EINTR) {
        read_events();
        answer_handshakes();
    }
    handshakes_.close();
    doors_.clear();
}

void ClientGate::read_events() {
    for (auto& door : doors_) {
        for (int i = 0; i < kEventsBefore; ++i) {
            const auto event = next_event(door.events);
            if (!event) {
                break;
            }
            if (event->what == ZMQ_EVENT_ACCEPTED) {
                judge(door, event->value, event->endpoint);
            } else if (event->what == ZMQ_EVENT_DISCONNECTED) {
                door.connections.erase(event->value);
            } else if (event->what == ZMQ_EVENT_ACCEPT_FAILED) {
                log_.tell("a client could not connect to " + door.name + ": " + std::strerror(event->value));
            }
        }
    }
}

// ZMQ's thread reports a connection before it begins the connection's handshake. So once all reported
// connections are judged, every connection that waits for an answer here is judged, too.
void ClientGate::answer_handshakes() {
    constexpr std::size_t kRequestId = 1;
    while (const auto request = receive_all(handshakes_)) {
        read_events();
        const std::string id = request->size() > kRequestId ? (*request)[kRequestId] : "";
        const std::array<std::string, 6> answer{"1.0", id, "200", "OK", "", ""};
        for (std::size_t i = 0; i < answer.size(); ++i) {
            const int flags = ZMQ_DONTWAIT | (i + 1 < answer.size() ? ZMQ_SNDMORE : 0);
            if (zmq_send(handshakes_.handle(), answer[i].data(), answer[i].size(), flags) < 0) {
                break;  // the one that asked has left
            }
        }
    }
}

void ClientGate::judge(Door& door, int fd, const std::string& endpoint) {
    const UniqueFd held(::fcntl(fd, F_DUPFD_CLOEXEC, 0));  // so that it stays the connection that is judged
    const int connection = held.valid() ? held.get() : fd;
    if (!is_bound_to(connection, endpoint)) {
        return;
    }
    const PeerUser peer = users_.empty() ? PeerUser{Kind::elsewhere, 0} : peers_.of(connection);
    if (peer.kind == Kind::unknown && !std::exchange(told_unknown_, true)) {
        log_.tell(
            "who connects can't be known here (neither sock_diag nor /proc/net/tcp answers): other users of "
            "this machine can read what is shown, unless the client uses transport_encryption or ipc");
    }
    if (!may_pass(peer)) {
        cut(connection);
        if (peer.kind == Kind::known) {
            log_.tell("a connection to " + door.name + " was cut: it came from user " +
                      std::to_string(peer.user) +
                      " of this machine, and the kernel isn't that user's. If that is your client, add "
                      "\"--clients\", "
                      "\"any\" to the kernel's command in its kernel.json");
        }
        return;
    }
    door.connections.insert(fd);
    if (door.connections.size() > most_) {
        cut(connection);
        log_.tell("a connection to " + door.name + " was cut: there are " + std::to_string(most_) +
                  " already. Close notebooks that aren't needed, or restart the kernel");
    }
}

bool ClientGate::may_pass(const PeerUser& peer) const {
    if (peer.kind == Kind::known) {
        return std::find(users_.begin(), users_.end(), peer.user) != users_.end();
    }
    return peer.kind == Kind::elsewhere || (peer.kind == Kind::unknown && !peers_.can_tell());
}

}  // namespace cellblock::kernel
