// Texts for people about processes that ended, made of bytes that nobody can trust.
//
// Threads: pure functions. Failure: none.
#pragma once

#include <string>
#include <string_view>

namespace cellblock::sandbox {

// Text from inside a sandbox, or of another program: printable UTF-8 without control characters but newline
// and tab, and not more than the last two thousand bytes.
std::string printable(std::string_view text);

// How a sandbox's first process ended ("the sandbox was ended by signal 9 (SIGKILL); it wrote: …").
// `wait_status` is that of waitpid(), `text` is what the sandbox wrote and may be empty.
std::string describe_end(int wait_status, std::string_view text);

}  // namespace cellblock::sandbox
