// Outcome messages: the errors and notices that a user reads when the sandbox itself can't tell how a cell
// ended.
//
// One place for the named reasons (CellTimeout, MemoryLimit, WorkerDied, SandboxUnavailable …). Each says
// what happened, whether variables survived, and which key of the policy decides. Pure functions.
#pragma once

#include <chrono>
#include <string>

#include "sandbox/api/policy.h"
#include "sandbox/api/types.h"
#include "sandbox/files/host_changes.h"
#include "sandbox/session/sandbox_host.h"

namespace cellblock::sandbox {

// An error as a notebook shows it: the name in red, then `hint` on a line of its own.
ErrorText make_error(const std::string& ename, const std::string& evalue, const std::string& hint = {});

// `shown`: the error of the KeyboardInterrupt that ended the cell, whose traceback is kept; null: none.
ErrorText timeout_error(const Policy& policy, std::chrono::milliseconds time, Survival state,
                        const ErrorText* shown);
// The cell was killed because the user interrupted again after the warning.
ErrorText stubborn_error();
ErrorText death_error(const Policy& policy, const Death& death);
ErrorText unavailable_error(const std::string& reason);

// A process of the cell, but not the worker, was killed for memory.
std::string oom_note(const Policy& policy);

// The cost of a cell, in one line.
std::string usage_note(const CellUsage& usage);

// The warning after a user's interrupt that the cell ignored. `time`: the cell's deadline.
std::string not_stopped_note(std::chrono::milliseconds time);

// The note at the next cell when a worker died between cells.
std::string restart_note(const Policy& policy, const Death& death);

// A line about files that the host has replaced or removed, and that something in the sandbox has open.
// Empty: there are none.
std::string still_old_note(const std::vector<files::HostChange>& old);

}  // namespace cellblock::sandbox
