// The words in which a cell's end is told when the sandbox can't tell it.
//
// Purpose: one place for the named reasons (CellTimeout, MemoryLimit,
// WorkerDied, …), each saying what happened and what state survived.
// Ownership: plain values. Threads: no shared state. Failure: none.
#pragma once

#include <chrono>
#include <string>

#include "sandbox/api/policy.h"
#include "sandbox/api/types.h"
#include "sandbox/session/sandbox_host.h"

namespace cellblock::sandbox {

// An error as a notebook shows it: the name in red, then `hint` on a line of its own.
ErrorText make_error(const std::string& ename, const std::string& evalue, const std::string& hint = {});

// `shown`: the traceback of the KeyboardInterrupt that ended the cell, if any.
ErrorText timeout_error(const Policy& policy, std::chrono::milliseconds time, Survival state,
                        const ErrorText* shown);
// The user interrupted again, after the warning below.
ErrorText stubborn_error();
ErrorText death_error(const Policy& policy, const Death& death);
ErrorText unavailable_error(const std::string& reason);

// A process of the cell, but not the worker, was killed for memory.
std::string oom_note(const Policy& policy);

// What a cell cost, in one line.
std::string usage_note(const CellUsage& usage);

// Told the grace time after the user's first interrupt. `time`: what the cell may take.
std::string not_stopped_note(std::chrono::milliseconds time);

// Told with the next cell when a worker died between cells.
std::string restart_note(const Policy& policy, const Death& death);

}  // namespace cellblock::sandbox
