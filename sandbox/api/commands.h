// Commands: programs that run in a sandbox beside its cells: Session::run_command().
//
//     CommandRequest request;
//     request.argv = shell_line("wc -l *.csv");
//     const CommandResult result = session.run_command_blocking(std::move(request));
//     if (result.error) {
//         std::cerr << result.error->text() << "\n";
//     } else {
//         ... result.exit_code(), result.standard_output, result.standard_error ...
//     }
//
// A command is a process of the sandbox, with a cell's rights, files and limits, and it runs while cells run.
// Commands end with the worker: a cell that has to be killed takes them with it. What they write is bytes
// as they are, control sequences too: not for a terminal (see sandbox/outputs/terminal_text.h).
//
// All types are plain values without shared state.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sandbox/api/result.h"

namespace cellblock::sandbox {

using CommandId = std::uint64_t;  // rising within a Session

constexpr std::size_t kMostCommands = 16;  // of a Session at a time

struct TerminalSize {
    std::uint16_t rows = 24;
    std::uint16_t columns = 80;
};

struct CommandRequest {
    // The program, found on PATH, where `python` and `python3` are the Python that runs cells, and its
    // arguments. Together with the environment at most 1 MiB.
    std::vector<std::string> argv;
    std::optional<std::string> directory = {};            // else the working directory
    std::map<std::string, std::string> environment = {};  // beside the worker's own
    bool has_input = false;                               // false: its stdin is empty
    std::optional<TerminalSize> terminal = {};            // it has a terminal: one stream for both outputs
    // When it is killed. Zero: never by its time. nullopt: as a cell, after Limits::cell_time.
    std::optional<std::chrono::nanoseconds> time_limit = {};
};

// The argv of a line for the shell.
inline std::vector<std::string> shell_line(std::string line) {
    return {"/bin/sh", "-c", std::move(line)};
}

// --- events, in this order; the last one of a command is CommandDone

struct CommandOutput {
    CommandId command = 0;
    bool is_error = false;  // of its stderr
    std::string bytes;      // at most 64 KiB
};

// All that was given to Session::command_input() has been read.
struct CommandWantsInput {
    CommandId command = 0;
};

struct CommandDone {
    CommandId command = 0;
    std::optional<int> status = {};   // what it gave to exit()
    std::optional<int> signal = {};   // what killed it
    bool timed_out = false;           // it was killed for its time
    bool cut = false;                 // it wrote more than Limits::output_bytes; what was more is lost
    std::optional<Error> error = {};  // it wasn't started (the code is the sandbox's errno) or was lost

    // As a shell tells it: 128 + the signal; 124 for its time; 127 and 126 where there is no such program,
    // or it can't be executed; 125 where there was no sandbox, or it was lost.
    [[nodiscard]] int exit_code() const;
};

// A command from its start to its end.
struct CommandResult : CommandDone {
    std::string standard_output = {};
    std::string standard_error = {};
};

}  // namespace cellblock::sandbox
