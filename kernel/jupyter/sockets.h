// The kernel's ZMQ sockets: shell, control, stdin (ROUTER) and iopub (XPUB).
//
// Purpose: binding, and frames in and out. The heartbeat is elsewhere.
// Ownership: owns context and sockets; at destruction what was sent gets a
// bounded time to leave.
// Threads: one, that which made it. Failure: bind() gives an Error that names
// the port; a message that can't be sent is told on stderr; nothing throws.
#pragma once

#include <memory>
#include <optional>
#include <zmq.hpp>

#include "kernel/jupyter/client_gate.h"
#include "kernel/jupyter/connection.h"
#include "kernel/jupyter/wire.h"

namespace cellblock::kernel {

class Sockets {
public:
    // Binds all four; ports that were 0 are set in `connection`.
    static sandbox::Result<std::unique_ptr<Sockets>> bind(Connection& connection);

    // One whole message, if there is one. Never waits.
    std::optional<Frames> receive(Channel channel);
    // Never waits, and drops nothing for a subscriber that is slow.
    void send(Channel channel, Frames frames);
    // For zmq_poll.
    [[nodiscard]] void* handle(Channel channel);

private:
    Sockets() = default;
    zmq::socket_t& of(Channel channel) { return sockets_[static_cast<std::size_t>(channel)]; }

    zmq::context_t context_{1};
    std::optional<ClientGate> gate_;        // after the sockets, before the context
    std::array<zmq::socket_t, 4> sockets_;  // by Channel, without the heartbeat
};

// Binds `socket` to that channel's endpoint; a port that was 0 is set in `connection`.
sandbox::Status bind_channel(zmq::socket_t& socket, Connection& connection, Channel channel);

}  // namespace cellblock::kernel
