// The makers of other engines' sandboxes, seen from the daemon: its children.
//
// Purpose: starts them, hears what they have made, collects them when they end,
// and has cleared away what a killed one left that nobody else knows of.
// Ownership: of a pidfd for each; they end with their control sockets, not with
// this object. Threads: one. Failure: told by the callbacks.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"
#include "sandbox/base/event_loop.h"
#include "sandbox/pool/launch_order.h"
#include "sandbox/relay/spec.h"

namespace cellblock::sandbox::pool {

// An order, read once, and a descriptor of its bytes.
struct OrderFile {
    Order order;
    UniqueFd file;
};

class Makers {
public:
    struct Heard {
        std::function<void(std::uint64_t number, const MadeParts& parts)> made;
        std::function<void(std::uint64_t number, const std::string& reason)> failed;
        std::function<void(std::uint64_t number, pid_t process, int wait_status)> ended;
    };

    Makers(EventLoop& loop, Heard heard) : loop_(loop), heard_(std::move(heard)) {}
    ~Makers();
    Makers(const Makers&) = delete;
    Makers& operator=(const Makers&) = delete;

    struct Started {
        pid_t process = -1;
        UniqueFd handle;  // a pidfd
    };
    // `warden` and `control` are the relay's ends.
    Result<Started> start(std::uint64_t number, const OrderFile& order, int warden, int control);
    // Whoever has its sandbox clears away, should it be killed.
    void was_given(pid_t process);

private:
    struct Maker {
        std::uint64_t number = 0;
        UniqueFd handle;
        UniqueFd report;  // until it has come
        relay::Spec spec;
        std::vector<std::string> environment;
        bool is_ours = true;  // to be cleared away by us
    };

    void hear(pid_t process);
    void left(pid_t process);
    void clear_away_after(const Maker& maker);

    EventLoop& loop_;
    Heard heard_;
    std::map<pid_t, Maker> makers_;
    std::map<pid_t, UniqueFd> clearing_;
};

}  // namespace cellblock::sandbox::pool
