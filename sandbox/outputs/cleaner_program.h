// The process `cellblock-helper cleaner`, which parses what a sandbox sent.
//
// It shuts itself in before it reads a byte: nothing but its socket, bounded memory and time, and a filter of
// system calls that lets it open, start and send nothing else. Then it does one task after another until the
// host closes the socket.
#pragma once

#include "sandbox/api/unique_fd.h"

namespace cellblock::sandbox {

// Serves the socket, which it owns, and returns the exit status of the process. The host tells the user of a
// failure.
int serve_cleaner(UniqueFd socket);

}  // namespace cellblock::sandbox
