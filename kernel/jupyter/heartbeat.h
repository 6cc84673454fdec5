// The heartbeat: echoes whatever a client sends, whatever else the kernel does.
//
// Purpose: a client learns by it that the kernel's process lives. The heartbeat has a thread and a ZMQ
// context of its own, so that no amount of output delays it. Both end with the object. start() fails with an
// Error that names the port.
#pragma once

#include <memory>
#include <optional>
#include <thread>
#include <zmq.hpp>

#include "kernel/jupyter/client_gate.h"
#include "kernel/jupyter/connection.h"

namespace cellblock::kernel {

class Heartbeat {
public:
    // A port that was 0 is set in `connection`.
    static sandbox::Result<std::unique_ptr<Heartbeat>> start(Connection& connection);
    ~Heartbeat();
    Heartbeat(const Heartbeat&) = delete;
    Heartbeat& operator=(const Heartbeat&) = delete;

private:
    Heartbeat() = default;

    zmq::context_t context_{1};
    std::optional<ClientGate> gate_;
    std::thread thread_;
};

}  // namespace cellblock::kernel
