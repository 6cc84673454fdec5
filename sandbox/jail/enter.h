// Walking into a jail.
//
// Purpose: enter() runs in a process that was already cloned into its new
// namespaces and does all that is left up to, but not including, exec. It
// serves a process that starts Python cold as well as a fork of a warm one.
// Order: first user map, names, network, root, cgroups, streams, last user
// namespace, limits, capabilities, Landlock, filter.
// Threads: the calling process has one; no allocation, locks or exceptions.
// Failure: the step and errno. The process must then end: it is half a jail.
#pragma once

#include <sys/types.h>

#include "sandbox/jail/plan.h"
#include "sandbox/jail/report.h"

namespace cellblock::sandbox::jail {

// Each is 10 or above. After enter(): 0 is /dev/null, 1 and 2 the output, 3 the
// warden's socket, all others are closed or close on exec.
struct JailDescriptors {
    int warden = -1;
    int output = -1;
    int parent = -1;  // a pipe whose other end the parent holds: its end of file is the parent's
};

// Into the plan's cgroups of version 1, which a thread moves itself to by `tasks`, at once.
Failure join_by_itself(const JailPlan& plan);

// Into those of version 2: a process by its number, or the caller. Linux waits in there for milliseconds.
Failure join_by_number(const JailPlan& plan, pid_t process = 0);

// What the parent writes to the pipe once the process, which builds its root meanwhile, has been joined.
constexpr char kJoined = 'j';

// The namespaces that the process must have been cloned into.
unsigned long long jail_namespaces(const Identity& identity, bool host_network = false);

Failure enter(const JailPlan& plan, const JailDescriptors& descriptors);

// The same for a plan without namespaces.
Failure enter_contained(const JailPlan& plan, const JailDescriptors& descriptors);

}  // namespace cellblock::sandbox::jail
