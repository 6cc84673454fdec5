// `cellblock cleaner`: the process that reads what a sandbox sent.
//
// Purpose: shuts itself in (nothing but its socket, bounded memory and time, a
// filter of system calls that opens, starts and sends nothing), then does one
// task after another until its host closes the socket.
// Ownership: of the socket. Threads: one. Failure: it ends, and its host tells.
#pragma once

#include "sandbox/api/unique_fd.h"

namespace cellblock::sandbox {

// The process's exit status.
int serve_cleaner(UniqueFd socket);

}  // namespace cellblock::sandbox
