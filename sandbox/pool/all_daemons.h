// All of a user's daemons, one for each context (runtime_directory.h).
//
// Purpose: what `cellblock daemon status` and `stop` do. Ownership: plain values. Threads: none of its own.
// Failure: an Error where the daemons' folder can't be used; a daemon that doesn't answer is left out.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "sandbox/api/result.h"

namespace cellblock::sandbox::pool {

// The figures of each daemon (status.h).
Result<std::vector<nlohmann::ordered_json>> all_daemons();

// The paths of all daemons' logs, sorted. A daemon removes its own when it leaves; one that couldn't start or
// was killed leaves its log until the next daemon starts.
Result<std::vector<std::string>> daemon_logs();

// Why the last daemon couldn't start that a process like the calling one had started. Empty where none
// failed.
std::string last_start_failure();

// Stops all daemons, and gives their number.
Result<int> stop_daemons();

}  // namespace cellblock::sandbox::pool
