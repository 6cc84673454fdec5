// All of a user's daemons, one for each context (place.h).
//
// Purpose: what `cellblock daemon status` and `stop` do. Ownership: plain values.
// Threads: none. Failure: an Error where the daemons' folder can't be used; one
// that doesn't answer is left out.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "sandbox/api/result.h"

namespace cellblock::sandbox::pool {

// What each tells (status.h).
Result<std::vector<nlohmann::ordered_json>> all_daemons();

// Stops them, and gives how many.
Result<int> stop_daemons();

}  // namespace cellblock::sandbox::pool
