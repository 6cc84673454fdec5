// The daemon: keeps zygotes and a pool of sandboxes, and gives these to sessions.
//
// Purpose: one loop over its socket, its clients, its zygotes and its pool. A sandbox that was given needs
// nothing of the daemon any more. Ownership: of its socket's file, its zygotes and the pool's sandboxes.
// Threads: one. Failure: an Error if it can't listen; a client at fault loses its connection.
#pragma once

#include <chrono>
#include <optional>

#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"

namespace cellblock::sandbox::pool {

struct DaemonOptions {
    std::optional<std::chrono::milliseconds> idle;  // instead of the settings'
    UniqueFd first_client;  // the connection of the client that started the daemon; may be invalid
};

// Returns once the daemon is stopped, or is idle and has no living sandboxes; at once where another daemon
// serves this context already.
Status serve(DaemonOptions options);

}  // namespace cellblock::sandbox::pool
