// The engine's command: a child of the relay.
//
// Purpose: starts the command with pipes, in its control groups, as its user, tied to the relay's life; and
// ends it with all processes below it. Ownership: of the pipes' near ends and the process. Threads: one, and
// no other in this process. Failure: an Error, or what the child wrote on its standard error.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"
#include "sandbox/relay/spec.h"

namespace cellblock::sandbox::relay {

struct Command {
    pid_t process = -1;
    UniqueFd input;  // non-blocking, all three
    UniqueFd output;
    UniqueFd errors;
};

Result<Command> start_command(const Spec& spec);

// How the command ended, in words, as far as that is known within the time; empty: it runs on, or left with
// 0.
std::string how_it_ended(Command& command, std::chrono::milliseconds patience);

// Starts a program that nobody waits for.
void start_detached(const std::vector<std::string>& argv);

// Closes the command's stdin and, if `politely`, lets it leave by itself for a moment; then SIGKILL for the
// command and all processes below this one, and what clear_away() does.
void end_command(Command& command, const Spec& spec, bool politely);

// Removes what a spec's sandbox may have left on the host: runs the spec's own `kill`, removes control groups
// and folders. Takes some seconds at most.
void clear_away(const Spec& spec);

}  // namespace cellblock::sandbox::relay
