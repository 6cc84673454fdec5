// The gate of the kernel's ports: decides for each connection whether its user may connect.
//
// Purpose: ZMQ asks nobody for the key before a subscriber reads iopub, or before messages queue in memory.
// The gate looks at each connection while ZMQ's handshake waits for its answer. It cuts connections of other
// users of this machine, and connections beyond a number. With a key pair in the connection file ZMQ also
// encrypts, and a client has to know the server's public key, which is never sent.
//
//     ClientGate gate(context, connection);
//     gate.guard(socket, Channel::shell);  // each socket, before it is bound
//     gate.open();
//
// Refers to the context, which must live longer; the gate's destructor shuts the context down. guard() and
// open() belong to the thread that made the gate; the gate has a thread of its own. The constructor throws
// zmq::error_t if it can't make its sockets. Without the gate's answer ZMQ lets nobody in.
#pragma once

#include <list>
#include <set>
#include <string>
#include <thread>
#include <vector>
#include <zmq.hpp>

#include "kernel/jupyter/connection.h"
#include "kernel/jupyter/drop_log.h"
#include "kernel/jupyter/peer_user.h"

namespace cellblock::kernel {

class ClientGate {
public:
    ClientGate(zmq::context_t& context, const Connection& connection);
    ~ClientGate();
    ClientGate(const ClientGate&) = delete;
    ClientGate& operator=(const ClientGate&) = delete;

    void guard(zmq::socket_t& socket, Channel channel);
    void open();

private:
    // A guarded socket, as the gate's thread sees it.
    struct Door {
        std::string name;
        zmq::socket_t events;
        std::set<int> connections;  // descriptors, in ZMQ's hands
    };

    void watch();
    void read_events();
    void answer_handshakes();
    void judge(Door& door, int fd, const std::string& endpoint);
    [[nodiscard]] bool may_pass(const PeerUser& peer) const;

    zmq::context_t& context_;
    Connection connection_;
    std::vector<uid_t> users_;  // who may connect; empty: everybody
    std::size_t most_;          // connections to each socket
    zmq::socket_t handshakes_;  // ZAP: ZMQ asks here
    std::list<Door> doors_;
    PeerUsers peers_;
    DropLog log_;
    bool told_unknown_ = false;
    std::thread thread_;
};

}  // namespace cellblock::kernel
