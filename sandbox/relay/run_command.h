// Programs that are run to their end, for what they say.
//
// Purpose: probes, lists and removals. By argv, without a shell, with a bound on
// time and on output. Ownership: plain values. Threads: may be called while
// others run. Failure: told in words.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace cellblock::sandbox::relay {

struct CommandResult {
    bool ok = false;     // it left with 0
    std::string output;  // of stdout, at most 256 KiB
    std::string why;     // if it is not ok: what it said, printable
};

CommandResult run_command(const std::vector<std::string>& argv, std::chrono::milliseconds patience);

// Where a program lies: a path, or a name on PATH, that can be executed. Empty: nowhere.
std::string program_path(const std::string& name);

}  // namespace cellblock::sandbox::relay
