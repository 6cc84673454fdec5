// The host's sockets of one sandbox: the warden's, and those of its workers.
//
// Purpose: reads them into the mux as far as the far end has room, and hands on
// what came for them, a worker's last words before the word of its end.
// Ownership: of the sockets. Threads: one. Failure: gone() says that the host has
// closed the warden's, violation() what the far end has broken.
#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/api/unique_fd.h"
#include "sandbox/relay/mux.h"

namespace cellblock::sandbox::relay {

class HostSide {
public:
    HostSide(UniqueFd warden, Mux& mux) : warden_(std::move(warden)), mux_(mux) {}

    // What poll is to watch; serve() takes its answers in the same order.
    [[nodiscard]] std::vector<pollfd> watches() const;
    void serve(const pollfd* answers);
    // Milliseconds after which hand_on() is to be called anyway; -1: never.
    [[nodiscard]] int patience() const { return lingering() ? 20 : -1; }

    void take(const Arrival& arrival);
    void hand_on();
    void close();

    [[nodiscard]] bool gone() const { return gone_; }
    [[nodiscard]] const std::string& violation() const { return violation_; }

private:
    using Clock = std::chrono::steady_clock;

    // Our end of one of a worker's sockets.
    struct Lane {
        UniqueFd socket;
        std::string pending;  // for it
        bool ended = false;   // inside
    };

    void serve_warden(short events);
    void read_warden();
    void take_sockets(const cmsghdr& header);
    void serve_lane(std::uint32_t number, short events);
    void drop(std::uint32_t number);
    [[nodiscard]] bool lingering() const;

    UniqueFd warden_;
    Mux& mux_;
    std::map<std::uint32_t, Lane> lanes_;
    std::string to_warden_;
    std::optional<Clock::time_point> linger_until_;
    bool gone_ = false;
    std::string violation_;
};

}  // namespace cellblock::sandbox::relay
