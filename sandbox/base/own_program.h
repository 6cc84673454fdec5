// This program once more, as a process of its own: `cellblock relay`, `cellblock make`.
//
// Purpose: descriptors by number, stdin and stdout nowhere, a session of its own.
// Ownership: the process is the caller's to wait for. Threads: may be called while
// others run. Failure: an Error; nothing is then left.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "sandbox/api/result.h"

namespace cellblock::sandbox::relay {

// The first of the descriptors that such a program is given.
inline constexpr int kFirstGiven = 3;

struct OwnProgram {
    const char* word;                                          // the command that it is to be
    std::vector<int> descriptors;                              // they become 3, 4, …; at most 5
    std::optional<std::vector<std::string>> environment = {};  // none: the caller's
};

Result<pid_t> start_own(const OwnProgram& wanted);

}  // namespace cellblock::sandbox::relay
