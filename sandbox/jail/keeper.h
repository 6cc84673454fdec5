// The keeper: the first process of a warm Python's jail.
//
// Purpose: it starts that Python and reaps what is nobody's any more, and runs no Python itself. Sandboxes
// live in the process namespace that it is the first of, so it stays for as long as there is one, also when
// the Python or the daemon is gone. Until the Python is ready it bounds the number and the memory of all
// processes in there, which are the imports'. Ownership: the caller's descriptors; closing `control` ends the
// Python, and before end_of_imports() everything in the jail. Threads: start_keeper() may be called from a
// program with threads. Failure: start_keeper() says why no process could be made; what fails in there is
// told by keepers_reason().
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"
#include "sandbox/jail/plan.h"
#include "sandbox/jail/report.h"

namespace cellblock::sandbox::jail {

struct Keeper {
    UniqueFd process;         // its pidfd. It is a child that was given to collect_later().
    UniqueFd control;         // SOCK_SEQPACKET
    UniqueFd output;          // what is written to descriptors 1 and 2 in there; not blocking
    UniqueFd user_namespace;  // invalid where the identity is the caller's own
};

// `plan`: build_zygote_plan()'s. `socket` is the Python's descriptor 3. `memory_bytes`: the bound during the
// imports.
Result<Keeper> start_keeper(const JailPlan& plan, int socket, std::uint64_t memory_bytes);

// The pidfd of the Python, once it was started. Never waits.
UniqueFd keepers_python(const Keeper& keeper);

// Why there is no Python, or none any more: a step of the jail failed, or the imports went past a bound.
// Empty: the Python ended by itself. `plan` is the keeper's. Never waits.
std::string keepers_reason(const Keeper& keeper, const JailPlan& plan);

// From now on the jail's end is that of the last process in it.
void end_of_imports(const Keeper& keeper);

}  // namespace cellblock::sandbox::jail
