// Options of a cell: `%%timeout 120` and `%%usage` in its first lines.
//
// They are read here, outside of the sandbox, so that code in the sandbox can't grant itself more time:
//
//     auto options = read_cell_options("%%timeout 120\nprint(1)", policy);   // options->time is 120 s
//
// A pure function. The Error of a wrong option is for the user, and the cell must not run.
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
