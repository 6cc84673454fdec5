// The scope that systemd hands over to this process for its sandboxes' control groups, and the move into it.
//
// Purpose: control groups of version 2 have one writer for each folder, and where systemd runs that is
// systemd, but below what it delegates. So a process that makes sandboxes needs a folder that is delegated to
// it:
//
//   - the folder is there already: the process is in a service with Delegate= and DelegateSubgroup=, or in a
//     scope that was asked for before;
//   - or systemd is asked for a scope (systemd_scope.h): an ordinary user's own, or for root the machine's.
//
// What asks, and when: the daemon before it listens, and else whoever starts a sandbox by itself (a cold
// start), just before. A kernel that gets its sandboxes from the daemon stays where it is.
//
// Threads: any. Failure: an Error with the reason and what an administrator can do; the process is where it
// was.
#pragma once

#include <string>

#include "sandbox/api/result.h"

namespace cellblock::sandbox::jail {

// systemd is the machine's first process, so the control groups are its own.
bool systemd_runs();

// Version 2: systemd has handed over the folder (Delegate=), to whoever may write to it.
bool is_delegated(const std::string& folder);

// Moves the process to a scope of its own. Asks once: each later call gives the first one's outcome.
Status enter_own_scope();

// True: this process's sandboxes belong to a scope, in which the process is already or for which it would
// ask. Changes nothing.
bool belongs_to_scope();

// The facts that tell whether two processes' sandboxes are made in the same place: /proc/self/cgroup, but for
// the part that a scope takes the place of.
std::string cgroup_facts(bool in_scope);

// The remedy, an administrator's, where a scope lacks a controller: "cpu".
std::string how_to_delegate(const std::string& controller);

}  // namespace cellblock::sandbox::jail
