// The daemon's settings, which a user may set in $XDG_CONFIG_HOME/cellblock/daemon.json.
//
// Purpose: bounds on all sandboxes together, which no policy can set. Ownership: plain values. Threads: none
// of its own. Failure: an Error that names file and key; then no daemon is started.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "sandbox/api/result.h"

namespace cellblock::sandbox::pool {

struct Settings {
    std::uint32_t sandboxes = 1000;    // most at once
    std::uint64_t memory_bytes = 0;    // of all of them together
    std::chrono::milliseconds idle{};  // unused for as long, spares, zygotes and the daemon go
};

// Without a file: the defaults, 80 % of the memory and half an hour.
Result<Settings> load_settings();
std::string settings_path();

}  // namespace cellblock::sandbox::pool
