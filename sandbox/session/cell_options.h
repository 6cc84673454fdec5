// What a cell asks of its Session in its own first lines.
//
// Purpose: `%%timeout 120` and `%%usage` are parsed here, outside of the sandbox, so that
// code in the sandbox can't grant it to itself. Ownership: plain values.
// Threads: no shared state. Failure: an Error for the user, and nothing runs.
#pragma once

#include <chrono>
#include <string>

#include "sandbox/api/policy.h"
#include "sandbox/api/result.h"

namespace cellblock::sandbox {

struct CellOptions {
    std::string code;  // without the options, but with as many lines as before
    std::chrono::milliseconds time{};
    bool show_usage = false;
};

Result<CellOptions> read_cell_options(std::string code, const Policy& policy);

}  // namespace cellblock::sandbox
