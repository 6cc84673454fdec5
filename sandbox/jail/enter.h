// Applies a jail's plan to the calling process.
//
// Purpose: enter() runs in the jail's first process, which was already cloned into its new namespaces, and
// does all that is left up to, but not including, exec. A cold jail's process then executes the warden, a
// warm one's (a fork of a warm Python) becomes the warden. The steps, in this order: parent's death, (nested)
// the attendant's answer, first user map, control groups of version 1, session, host name, loopback, root,
// control groups of version 2 (which the supervisor joins for the process) and their namespace, streams, last
// user namespace, resource limits, working directory, capabilities, parent's death again, Landlock, system
// call filter. Threads: the calling process has one; nothing allocates, locks or throws. Failure: the step
// and errno. The process must then end, since only some of the walls stand.
#pragma once

#include <sys/types.h>

#include <string>

#include "sandbox/jail/plan.h"
#include "sandbox/jail/report.h"

namespace cellblock::sandbox::jail {

// The first number of a descriptor that has no meaning inside.
constexpr int kFirstFree = 10;

// Each is kFirstFree or above. After enter(): 0 is /dev/null, 1 and 2 the output, 3 the
// warden's socket, all others are closed or close on exec.
struct JailDescriptors {
    int warden = -1;
    int output = -1;
    int parent = -1;     // a pipe whose other end the parent holds: its end of file is the parent's
    int attendant = -1;  // of a nested plan: to its attendant
};

// Version 1's file, to which a process writes itself.
bool is_tasks(const std::string& cgroup_file);

// Joins the plan's control groups of version 1, through `tasks`: Linux moves the calling thread at once.
Failure join_by_itself(const JailPlan& plan);

// Joins those of version 2 for a process, or for the caller (0). Linux takes milliseconds for it.
Failure join_by_number(const JailPlan& plan, pid_t process = 0);

// The byte that the parent writes to the pipe once the process, which builds its root meanwhile, has been
// joined.
constexpr char kJoined = 'j';

// The namespaces that the process must have been cloned into.
unsigned long long jail_namespaces(const Identity& identity, bool host_network = false);

Failure enter(const JailPlan& plan, const JailDescriptors& descriptors);

// The same for the first process of a warm Python's jail, the keeper (keeper.h), which has no parent to watch
// and forks jails: no loopback, no last user namespace, no Landlock (which would forbid mounts to them).
Failure enter_as_keeper(const JailPlan& plan, const JailDescriptors& descriptors);

// The same for a plan without namespaces.
Failure enter_without_namespaces(const JailPlan& plan, const JailDescriptors& descriptors);

}  // namespace cellblock::sandbox::jail
