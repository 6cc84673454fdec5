// The engine's command: a child of the relay.
//
// Purpose: started with pipes, in its control groups, as its user, tied to the
// relay's life; and its end, whatever it left below it.
// Ownership: of the pipes' near ends and the process. Threads: one, and no other
// in this process. Failure: an Error, or what the child said on stderr.
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

// Its exit in words, as far as it is known within that time; empty: it runs on, or left with 0.
std::string how_it_ended(Command& command, std::chrono::milliseconds patience);

// Runs a program beside it, which nobody waits for.
void start_beside(const std::vector<std::string>& argv);

// The end of its stdin and a moment to leave by itself, if that is wanted; then SIGKILL, and all that
// clear_away() does and that still is below this process.
void end_command(Command& command, const Spec& spec, bool politely);

// What a spec's sandbox may leave on the host: ends it in its own way, removes control groups and
// folders. Takes some seconds at most.
void clear_away(const Spec& spec);

}  // namespace cellblock::sandbox::relay
