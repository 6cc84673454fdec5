// All of a user's daemons, one for each context (runtime_directory.h).
//
// Purpose: what `cellblock daemon status` and `stop` do. Ownership: plain values. Threads: none of its own.
// Failure: an Error where the daemons' folder can't be used; a daemon that gives no answer is named.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "sandbox/api/result.h"

namespace cellblock::sandbox::pool {

struct Daemons {
    std::vector<nlohmann::ordered_json> figures;  // of each that answers (status.h)
    std::vector<std::string> silent;              // of each that doesn't: who it is and what to do, in words
};

// Waits 5 s at most for each.
Result<Daemons> all_daemons();

// The paths of all daemons' logs, sorted. A daemon removes its own when it leaves; one that couldn't start or
// was killed leaves its log until the next daemon starts.
Result<std::vector<std::string>> daemon_logs();

// Why the last daemon couldn't start that a process like the calling one had started. Empty where none
// failed.
std::string last_start_failure();

struct Stopped {
    int count = 0;
    std::vector<std::string> silent;  // as above: of those that run on
};

// Stops all daemons. Waits until each has let go of its sandboxes, 30 s at most for an answer and for that.
Result<Stopped> stop_daemons();

}  // namespace cellblock::sandbox::pool
