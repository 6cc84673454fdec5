// A session's broker: starts it, hears of its connections, and starts the next one when it has ended.
//
// Purpose: the budgets of bytes are a session's, so they outlive a broker and a sandbox. Shape: begin() once
// a sandbox is ready, poll poll_fd(), take(). Ownership: of the process, which end() or the destructor kills.
// Threads: one. Failure: begin() and fault() tell it; a broker that ends again and again isn't started any
// more.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sandbox/api/policy.h"
#include "sandbox/api/types.h"
#include "sandbox/api/unique_fd.h"
#include "sandbox/base/rate_bound.h"
#include "sandbox/channel/frame.h"
#include "sandbox/network/broker_frames.h"

namespace cellblock::sandbox::network {

class Gateway {
public:
    explicit Gateway(const Policy& policy);
    ~Gateway();
    Gateway(const Gateway&) = delete;
    Gateway& operator=(const Gateway&) = delete;

    // Whether the policy allows anything.
    [[nodiscard]] bool on() const { return task_.rules.any(); }
    // -1 where it doesn't.
    [[nodiscard]] int poll_fd() const { return epoll_.get(); }
    // `listener`: as Sandbox::listener() gives it. A broker that serves that one already goes on.
    Status begin(UniqueFd listener);
    // The connections that have ended since the last take().
    std::vector<ConnectionReport> take();
    // Where a rule inspects: the certificate that the sandbox's programs have to trust. Empty: none.
    [[nodiscard]] const std::string& certificate() const { return task_.authority.certificate; }
    // Why there is no broker any more, once; empty: there is one.
    std::string fault() { return std::exchange(fault_, {}); }
    // Ends the broker. The connections that were open are told by the next take().
    void end();

private:
    Status start();
    void stop();
    // The next report. nullopt: none has come; an Error: the broker has ended, or broken the rules.
    std::optional<Result<ConnectionReport>> read();
    // Lets the broker tell of the connections that are still open, and counts them.
    void hear_last_words();
    void start_again();
    // Whoever connects is refused at once, and doesn't wait for nobody.
    void close_door();

    BrokerTask task_;  // its rules with what is left of the budgets
    UniqueFd epoll_;
    UniqueFd listener_;
    UniqueFd socket_;
    FrameReader reader_{kBrokerBounds};
    pid_t pid_ = -1;
    std::string fault_;
    std::vector<ConnectionReport> last_words_;
    RateBound starts_{5, 0.1};
};

}  // namespace cellblock::sandbox::network
