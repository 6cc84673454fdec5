// Bytes in memory that a descriptor stands for.
//
// Purpose: what is too long for a message, or is for another process to read.
// Ownership: of the descriptor. Threads: none. Failure: an Error.
#pragma once

#include <string>

#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"

namespace cellblock::sandbox {

// Closed on exec; to be read from its start.
Result<UniqueFd> memory_file(const std::string& bytes);

}  // namespace cellblock::sandbox
