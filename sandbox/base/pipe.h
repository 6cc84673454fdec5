// A pipe whose two ends are closed on exec.
//
//     CELLBLOCK_ASSIGN_OR_RETURN(auto output, make_pipe("run docker"));
//     start(output.write.get());  // a child that writes
//     output.write.reset();       // so that reading ends when the child does
#pragma once

#include <string>

#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"

namespace cellblock::sandbox {

struct Pipe {
    UniqueFd read;
    UniqueFd write;
};

// Both ends wait when they are read or written (they aren't O_NONBLOCK). `step` is the Error's: what the pipe
// is for.
Result<Pipe> make_pipe(const std::string& step);

}  // namespace cellblock::sandbox
