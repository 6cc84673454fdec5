// Options of a cell: `%%timeout 120` and `%%usage` in its first lines.
//
// They are read here, outside of the sandbox, so that code in the sandbox can't grant itself more time:
//
//     auto options = read_cell_options("%%timeout 120\nprint(1)", policy);   // options->time is 120 s
//
// A pure function. The Error of a wrong option is for the user, and the cell must not run.
//
// A client may ask for a time, too (ExecuteRequest::time_limit), and code then can't.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "sandbox/api/policy.h"
#include "sandbox/api/result.h"

namespace cellblock::sandbox {

struct CellOptions {
    std::string code;  // without the options, but with as many lines as before
    std::chrono::milliseconds time{};
    bool show_usage = false;
};

// `time_limit`: what the client asks for, written as %%timeout's argument.
Result<CellOptions> read_cell_options(std::string code, const Policy& policy,
                                      const std::optional<std::string>& time_limit = {});

}  // namespace cellblock::sandbox
