// The host's ends of the connections that programs in the sandbox make to the proxy.
//
// Purpose: for each connection that the inside opens, one end of a new pair of sockets goes through the door,
// as a descriptor, to whoever holds the door's other end (the network's broker), and this class carries bytes
// between the other end and the mux. So nothing listens on the host, and nobody but the holder of the door
// can connect. Ownership: of the door and of its ends of the pairs, which the loop watches. Threads: one.
// Failure: a connection that can't be handed over is ended; the sandbox runs on.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "sandbox/api/unique_fd.h"
#include "sandbox/base/event_loop.h"
#include "sandbox/base/rate_bound.h"
#include "sandbox/relay/mux.h"

namespace cellblock::sandbox::relay {

class Connections {
public:
    // `loop` and `mux` must outlive this object. `door` is a SOCK_SEQPACKET; invalid where the policy allows
    // no host.
    Connections(EventLoop& loop, Mux& mux, UniqueFd door);
    ~Connections() { close(); }
    Connections(const Connections&) = delete;
    Connections& operator=(const Connections&) = delete;

    // Before each turn of the loop: watches each socket for what the mux has room for, and what waits for it.
    void update_interests();
    // After how long hand_on() is to be called even where nothing happens.
    [[nodiscard]] std::chrono::milliseconds patience() const;

    // Keeps what came from inside for a connection; hand_on() then writes as much as the sockets take.
    void take(const Arrival& arrival);
    void hand_on();
    // Closes all sockets and the door.
    void close();

private:
    struct Connection {
        UniqueFd socket;
        std::string pending;        // bytes that wait for the socket
        bool closed_here = false;   // the broker sends no more
        bool closed_there = false;  // the program inside sends no more
        bool told = false;          // the broker, of that
        bool takes = true;          // the broker reads
    };

    void begin(std::uint32_t number);
    void serve(std::uint32_t number, EventLoop::Interest what);
    void read(std::uint32_t number, Connection& one);
    void end(std::uint32_t number);

    EventLoop& loop_;
    Mux& mux_;
    UniqueFd door_;
    std::map<std::uint32_t, Connection> connections_;
    RateBound pace_;  // so that nobody keeps this process busy by connecting
};

}  // namespace cellblock::sandbox::relay
