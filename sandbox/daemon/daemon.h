// The daemon: keeps zygotes, and hands claims on to them.
//
// Purpose: one loop over its socket, its clients and its zygotes. A client makes
// the jail's sockets and its plan itself; both pass through here unread, and
// what becomes of them depends on nothing here.
// Ownership: of its socket's file and its zygotes. Threads: one.
// Failure: an Error if it can't listen; a client at fault is let go.
#pragma once

#include <chrono>
#include <string>

#include "sandbox/base/result.h"
#include "sandbox/base/unique_fd.h"

namespace cellblock::sandbox::daemon {

struct DaemonOptions {
    std::chrono::milliseconds idle{};  // without a request for as long, it leaves
    UniqueFd first_client;             // a connection that was made with it; may be invalid
};

// Until it is stopped or idle. At once, where one serves this context already.
Status serve(DaemonOptions options);

// For people: a few lines about each of this user's daemons.
Result<std::string> daemons_in_words();

// Stops all of this user's daemons, and gives how many.
Result<int> stop_daemons();

}  // namespace cellblock::sandbox::daemon
