// One process per sandbox that outlives neither it nor the host.
//
// Purpose: starts the jail's first process, waits for its end or the host's,
// kills it, removes its cgroups, and tells the host how it ended. Thus a
// `kill -9` of the host leaves nothing behind; a `kill -9` of the supervisor
// ends the jail (PDEATHSIG), and the host removes the cgroups.
// The cgroups stay until the host closes its end, so that it can still read them.
// Threads: runs after fork in a process with one thread; no allocation, locks
// or exceptions. Failure: told to the host as a Report.
#pragma once

#include "sandbox/jail/plan.h"

namespace cellblock::sandbox::jail {

// Each is 10 or above.
struct SupervisorDescriptors {
    int control = -1;      // SOCK_SEQPACKET to the host
    int warden = -1;       // the jail's end of the warden's socket
    int output_read = -1;  // what the jail writes to descriptors 1 and 2
    int output_write = -1;
};

[[noreturn]] void supervise(const JailPlan& plan, const SupervisorDescriptors& descriptors);

// The same in a fork of a warm Python, whose jail's first process goes on from there: returns in that
// process alone, once it has walked in and nothing but descriptors 0 to 3 is open. Needs glibc's fork behind
// it; `thread_id` is where libc keeps the caller's.
void supervise_warm(const JailPlan& plan, const SupervisorDescriptors& descriptors, int* thread_id);

}  // namespace cellblock::sandbox::jail
