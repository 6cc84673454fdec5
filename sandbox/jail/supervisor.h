// The supervisor: one process for each jail, which outlives neither the jail nor the host.
//
// Purpose: it starts the jail's first process, waits for its end or the host's, kills it, removes its control
// groups and tells the host how it ended (report.h). So a `kill -9` of the host leaves nothing behind; a
// `kill -9` of the supervisor ends the jail by the parent's-death signal, and the host removes the control
// groups. They stay until the host closes its end of `control`, so that the host can read them after the
// jail's end. (The supervisor of a nested jail sees no control groups; the host always removes those.)
// Threads: runs after fork in a process with one thread; nothing allocates, locks or throws. Failure: told to
// the host as a Report.
#pragma once

#include "sandbox/jail/plan.h"

namespace cellblock::sandbox::jail {

// Each is 10 or above.
struct SupervisorDescriptors {
    int control = -1;      // SOCK_SEQPACKET to the host
    int warden = -1;       // the jail's end of the warden's socket
    int output_read = -1;  // what the jail writes to descriptors 1 and 2
    int output_write = -1;
    int attendant = -1;  // of a nested plan: to its attendant (attendant.h)
};

// In a fork of the host. The jail's first process executes the plan's `argv`.
[[noreturn]] void supervise(const JailPlan& plan, const SupervisorDescriptors& descriptors);

// The same in a fork of a warm Python, but the jail's first process executes nothing: the function returns in
// that process alone, once the plan is applied and no descriptor but 0 to 3 is open. The caller must have
// been made by glibc's fork(); `thread_id` is where libc keeps the caller's thread number.
void supervise_warm(const JailPlan& plan, const SupervisorDescriptors& descriptors, int* thread_id);

}  // namespace cellblock::sandbox::jail
