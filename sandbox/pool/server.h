// The daemon: keeps zygotes and a pool of sandboxes, and hands these out.
//
// Purpose: one loop over its socket, its clients, its zygotes and what its pool
// waits for. Once a sandbox is given, nothing of it depends on the daemon.
// Ownership: of its socket's file, its zygotes and its spares. Threads: one.
// Failure: an Error if it can't listen; a client at fault is let go.
#pragma once

#include <chrono>
#include <optional>

#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"

namespace cellblock::sandbox::pool {

struct DaemonOptions {
    std::optional<std::chrono::milliseconds> idle;  // instead of the settings'
    UniqueFd first_client;                          // a connection that was made with it; may be invalid
};

// Until it is stopped, or idle and without living sandboxes. At once, where one serves this context already.
Status serve(DaemonOptions options);

}  // namespace cellblock::sandbox::pool
