// The one event loop, as those see it who must wait inside of a request.
//
// Purpose: a cell's end is awaited by running the loop itself further, one
// level deeper, so that control requests, stdin, subscriptions and the session's
// events are served meanwhile. Requests on shell wait in their queue.
// Threads: the main thread. Failure: run_until() also returns when the kernel is
// to leave; stopping() tells.
#pragma once

#include <functional>
#include <string>

#include "kernel/jupyter/wire.h"

namespace cellblock::kernel {

// The request on shell that xeus's core is busy with.
struct CurrentRequest {  // NOLINT(bugprone-exception-escape): as Message
    Message message;
    std::string started;  // when, as an ISO date
    int count = 0;        // the execution count that it is shown with
    int reply_count = 0;  // and the one that its reply tells
    bool stores = false;  // an execute that counts and goes into the history
    bool stop_on_error = false;
};

class Loop {
public:
    virtual ~Loop() = default;
    virtual void run_until(const std::function<bool()>& done) = 0;
    virtual void stop() = 0;
    [[nodiscard]] virtual bool stopping() const = 0;

    [[nodiscard]] virtual const CurrentRequest& current() const = 0;
    // The content of the current request's reply, as JSON text, in the place of
    // the one that xeus's core will send. `usage`: what a cell cost, as JSON
    // text for the reply's metadata; empty: nothing is told.
    virtual void set_reply(std::string content, std::string usage = {}) = 0;
};

}  // namespace cellblock::kernel
