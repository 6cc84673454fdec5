// Name look-ups, each in a thread of its own, as libc's getaddrinfo() waits.
//
// Purpose: the broker's loop goes on meanwhile. Shape: begin(), poll poll_fd(), take(). Ownership: a thread
// that libc holds up outlives the Resolver, and keeps alone what it writes to. Threads: one calls. Failure:
// of a look-up, in its answer; begin() says whether there is one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
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

    Resolver();
    ~Resolver();
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    // False: too many are under way, or no thread can be had.
    bool begin(std::uint64_t asker, const std::string& name);
    [[nodiscard]] int poll_fd() const;
    std::vector<Resolved> take();

private:
    struct Answers;
    std::shared_ptr<Answers> answers_;  // the threads' too
    std::size_t running_ = 0;
};

}  // namespace cellblock::sandbox::network
