// The attendant of a nested jail: does outside what a fork of a jailed Python can't do itself.
//
// Purpose: that fork sees nothing of the host, and the kernel lets it neither map a user into its user
// namespace nor join a control group. The attendant, a fork of the host, opens what the jail shows of the
// host as detached mounts (whose restrictions are locked, so that nobody inside can lift them), joins control
// groups of version 2, opens those of version 1, writes the maps, sends all that in one go, and ends. It
// believes the fork one thing, that it asks; which process that is, the kernel tells (SCM_CREDENTIALS).
//
//     auto socket = start_attendant(plan, user_namespace);  // in the host
//     Failure failure = ask_attendant(plan, socket);        // in the jail's first process
//
// Threads: ask_attendant() and the attendant itself run after a fork; there nothing allocates, locks or
// throws. Failure: start_attendant() says why there is none; else the step and errno, which reach the jail's
// first process.
#pragma once

#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"
#include "sandbox/jail/plan.h"
#include "sandbox/jail/report.h"

namespace cellblock::sandbox::jail {

// Starts one, a child that is given to collect_later() (base/children.h). `user_namespace`: that of the warm
// Python's jail, where the plan's identity is mapped by the attendant; -1: the jail is the warm Python's own.
// Gives the socket (SOCK_SEQPACKET, 10 or above) for the jail's first process. To be called by one thread at
// a time.
Result<UniqueFd> start_attendant(const JailPlan& plan, int user_namespace);

// Fills plan.sources and plan.cgroup_descriptors.
Failure ask_attendant(const JailPlan& plan, int socket);

}  // namespace cellblock::sandbox::jail
