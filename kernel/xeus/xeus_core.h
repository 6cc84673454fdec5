// Runs the Jupyter server behind xeus, which leads execute_request and kernel_info_request
// (kernel/server/core.h).
//
// This room alone includes xeus's headers, and this header doesn't. versions.h has what differs between
// xeus's releases, GAPS.md what its core gets wrong and where that is put right.
#pragma once

#include <string>

#include "kernel/server/core.h"

namespace cellblock::kernel {

// Serves until the kernel is to leave. Blocks; on the main thread, once in a process.
void serve_with_xeus(CoreServices& services);

// The name of the user as xeus tells it, for the headers of messages.
std::string xeus_user_name();

}  // namespace cellblock::kernel
