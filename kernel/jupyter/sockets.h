// The kernel's ZMQ sockets: shell, control and stdin (ROUTER), and iopub (XPUB). The heartbeat has its own
// (heartbeat.h).
//
// Purpose: binds the sockets as the connection file says, waits for what comes, and moves messages in and out
// as frames.
//
//     auto sockets = Sockets::bind(connection);
//     const Readable readable = (*sockets)->wait({Channel::shell}, {session.poll_fd()}, 100ms);
//     if (readable.on(Channel::shell)) { use((*sockets)->receive(Channel::shell)); }
//
// Owns ZMQ's context and the sockets; when destroyed, messages that were sent have a second to leave. For one
// thread, which need not be the one that called bind(): ZMQ only wants a fence in between. bind() fails with
// an Error that names the port; a message that can't be sent is reported on stderr; nothing throws.
#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <vector>
#include <zmq.hpp>

#include "kernel/jupyter/client_gate.h"
#include "kernel/jupyter/connection.h"
#include "kernel/jupyter/wire.h"

namespace cellblock::kernel {

inline constexpr std::size_t kMaxWaitedFds = 4;

// The result of Sockets::wait().
struct Readable {
    std::array<bool, 4> channels{};         // by Channel
    std::array<bool, kMaxWaitedFds> fds{};  // in the order in which wait() was given them

    [[nodiscard]] bool on(Channel channel) const { return channels[static_cast<std::size_t>(channel)]; }
};

class Sockets {
public:
    // Binds all four sockets. A port that was 0 is set in `connection`. Of `ipc` it changes the process's
    // umask meanwhile.
    static sandbox::Result<std::unique_ptr<Sockets>> bind(Connection& connection);

    // Waits until a message can be received on one of `channels`, or one of `fds` is readable or closed, or
    // the time is over (negative: no limit). A descriptor of -1 is passed over. A signal ends the wait, too.
    Readable wait(const std::vector<Channel>& channels, const std::vector<int>& fds,
                  std::chrono::milliseconds longest);
    // One whole message, or nothing if none is there. Never waits.
    std::optional<Frames> receive(Channel channel);
    // Never waits; a slow subscriber of iopub costs memory, but loses nothing.
    void send(Channel channel, Frames frames);

private:
    Sockets() = default;
    [[nodiscard]] void* handle(Channel channel) { return of(channel).handle(); }
    zmq::socket_t& of(Channel channel) { return sockets_[static_cast<std::size_t>(channel)]; }
    bool has_message(Channel channel);

    zmq::context_t context_{1};
    std::optional<ClientGate> gate_;        // after the sockets, before the context
    std::array<zmq::socket_t, 4> sockets_;  // by Channel, without the heartbeat; so are the next two
    std::array<int, 4> descriptors_{-1, -1, -1, -1};
    std::array<bool, 4> was_used_{true, true, true, true};  // since it was asked, and had no message
};

// Binds `socket` to the endpoint of `channel`. A port that was 0 is set in `connection`.
sandbox::Status bind_channel(zmq::socket_t& socket, Connection& connection, Channel channel);

}  // namespace cellblock::kernel
