#include "kernel/jupyter/heartbeat.h"

#include "kernel/jupyter/sockets.h"

namespace cellblock::kernel {

namespace {

constexpr std::int64_t kMaxBeat = 1 << 20;

// Runs until the context is shut down.
void echo(zmq::socket_t socket) {
    zmq::message_t part;
    while (true) {
        if (zmq_msg_recv(part.handle(), socket.handle(), 0) < 0) {
            if (zmq_errno() == EINTR) {
                continue;
            }
            return;
        }
        const int flags = part.more() ? ZMQ_SNDMORE : 0;
        while (zmq_msg_send(part.handle(), socket.handle(), flags) < 0) {
            if (zmq_errno() != EINTR) {
                return;
            }
        }
    }
}

}  // namespace

sandbox::Result<std::unique_ptr<Heartbeat>> Heartbeat::start(Connection& connection) {
    std::unique_ptr<Heartbeat> made(new Heartbeat);
    try {
        zmq::socket_t socket(made->context_, zmq::socket_type::router);
        socket.set(zmq::sockopt::linger, 0);
        socket.set(zmq::sockopt::maxmsgsize, kMaxBeat);
        made->gate_.emplace(made->context_, connection);
        made->gate_->guard(socket, Channel::heartbeat);
        CELLBLOCK_RETURN_IF_ERROR(bind_channel(socket, connection, Channel::heartbeat));
        made->gate_->open();
        made->thread_ = std::thread(echo, std::move(socket));
    } catch (const std::exception& failed) {
        return sandbox::Error{"start the heartbeat", 0, failed.what(), {}};
    }
    return made;
}

Heartbeat::~Heartbeat() {
    context_.shutdown();
    if (thread_.joinable()) {
        thread_.join();
    }
}

}  // namespace cellblock::kernel
