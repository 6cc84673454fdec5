// The server's event loop, as code sees it that has to wait for the sandbox inside of a request.
//
// Purpose: whoever waits for a cell or an answer runs the same loop one level deeper, so that control
// requests, stdin, subscriptions and the session's events are served meanwhile. Requests on shell stay in
// their queue.
//
//     bridge.ask(query);
//     loop.run_until([&] { return bridge.finished(); });
//
// Main thread only. run_until() also returns when the kernel is to leave; then stopping() is true and the
// condition may not hold.
#pragma once

#include <functional>

namespace cellblock::kernel {

class Loop {
public:
    virtual ~Loop() = default;
    virtual void run_until(const std::function<bool()>& done) = 0;
    // Ends the kernel: every level of the loop returns.
    virtual void stop() = 0;
    [[nodiscard]] virtual bool stopping() const = 0;
};

}  // namespace cellblock::kernel
