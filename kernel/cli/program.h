// Runs another program for its output.
//
// Purpose: by argv, never through a shell; standard input is empty, output and
// time are bounded. Ownership: the child is reaped before the call returns.
// Threads: blocks the caller. Failure: an Error if it can't be started, takes
// too long or prints too much; its exit status is a value.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "sandbox/api/result.h"

namespace cellblock::kernel {

struct ProgramOutput {
    int exit_status = 0;  // 128 + signal if one ended it
    std::string text;     // standard output and error together
};

sandbox::Result<ProgramOutput> run_program(const std::vector<std::string>& argv,
                                           std::chrono::milliseconds time_limit);

}  // namespace cellblock::kernel
