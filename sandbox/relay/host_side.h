// The host's sockets of one sandbox: the warden's, and those of its workers.
//
// Purpose: reads them into the mux as far as the far end has room, and hands on what came for them; a
// worker's last bytes go out before the warden's message that the worker has ended. Ownership: of the
// sockets, which the loop watches. Threads: one. Failure: gone() says that the host has closed the warden's
// socket, violation() what the far end has broken.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/api/unique_fd.h"
#include "sandbox/base/event_loop.h"
#include "sandbox/relay/mux.h"

namespace cellblock::sandbox::relay {

class HostSide {
public:
    // Both must outlive this object.
    HostSide(EventLoop& loop, UniqueFd warden, Mux& mux);
    ~HostSide() { close(); }
    HostSide(const HostSide&) = delete;
    HostSide& operator=(const HostSide&) = delete;

    // Before each turn of the loop: watches each socket for what the mux has room for, and what waits for it.
    void update_interests();
    // After how long hand_on() is to be called even where nothing happens.
    [[nodiscard]] std::chrono::milliseconds patience() const;

    // Keeps what came from inside; hand_on() then writes as much as the sockets take.
    void take(const Arrival& arrival);
    void hand_on();
    // Closes all sockets.
    void close();

    [[nodiscard]] bool gone() const { return gone_; }
    [[nodiscard]] const std::string& violation() const { return violation_; }

private:
    using Clock = std::chrono::steady_clock;

    // Our end of one of a worker's sockets.
    struct Lane {
        UniqueFd socket;
        std::string pending;  // bytes that wait for the socket
        bool ended = false;   // the far end has closed the channel
    };

    void serve_warden(EventLoop::Interest what);
    void read_warden();
    void take_socket(UniqueFd socket);
    void serve_lane(std::uint32_t number, EventLoop::Interest what);
    void drop(std::uint32_t number);
    [[nodiscard]] bool lingering() const;

    EventLoop& loop_;
    UniqueFd warden_;
    Mux& mux_;
    std::map<std::uint32_t, Lane> lanes_;
    std::string to_warden_;
    std::optional<Clock::time_point> linger_until_;
    bool gone_ = false;
    std::string violation_;
};

}  // namespace cellblock::sandbox::relay
