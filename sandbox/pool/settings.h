// What a user may set of the daemon: $XDG_CONFIG_HOME/cellblock/daemon.json.
//
// Purpose: bounds that concern all sandboxes together, so no policy can say
// them. Ownership: plain values. Threads: none.
// Failure: an Error that names file and key; then no daemon is started.
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

// The defaults, where there is no such file: 80 % of the memory that there is, ten minutes.
Result<Settings> load_settings();
std::string settings_path();

}  // namespace cellblock::sandbox::pool
