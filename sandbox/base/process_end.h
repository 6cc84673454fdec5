// Waiting for a process to end, with a bound.
//
// Threads: none of its own. Failure: what can't be waited for counts as ended.
#pragma once

#include <chrono>

namespace cellblock::sandbox {

// `handle`: a pidfd. False: it lives on after that time.
bool ends_within(int handle, std::chrono::milliseconds time);

}  // namespace cellblock::sandbox
