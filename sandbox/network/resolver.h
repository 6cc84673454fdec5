// Name look-ups, each in a thread of its own, as libc's getaddrinfo() waits.
//
// Purpose: the broker's loop goes on meanwhile. A few are under way at a time, and the others wait for their
// turn. Shape: begin(), poll poll_fd(), take(). Ownership: a thread
// that libc holds up outlives the Resolver, and keeps alone what it writes to. Threads: one calls. Failure:
// of a look-up, in its answer; begin() says whether there is one.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sandbox/network/public_address.h"

namespace cellblock::sandbox::network {

struct Resolved {
    std::uint64_t asker = 0;
    std::vector<Address> addresses;
    std::string fault;  // why there are none, for people; may be empty
};

class Resolver {
public:
    static constexpr std::size_t kMostAtOnce = 8;
    static constexpr std::size_t kMostWaiting = 1024;

    Resolver();
    ~Resolver();
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    // False: too many wait.
    bool begin(std::uint64_t asker, const std::string& name);
    // Nobody needs the answer any more.
    void forget(std::uint64_t asker);
    [[nodiscard]] int poll_fd() const;
    std::vector<Resolved> take();

private:
    struct Answers;

    void start_waiting();

    std::shared_ptr<Answers> answers_;                           // the threads' too
    std::deque<std::pair<std::uint64_t, std::string>> waiting_;  // askers, and the names
    std::size_t running_ = 0;
};

}  // namespace cellblock::sandbox::network
