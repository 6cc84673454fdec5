// Telling one process from a later one of the same number.
//
// Purpose: what a killed owner left behind carries its number, start time and
// namespace. Ownership: plain values. Threads: no shared state.
// Failure: empty texts where /proc can't be read, or is another namespace's.
#pragma once

#include <string>

namespace cellblock::sandbox {

// In ticks since boot; empty if there is no such process, or it has ended and only waits to be collected.
std::string process_start_time(const std::string& pid);

// The number in "pid:[4026531836]" of the caller; "0" where it isn't known.
std::string pid_namespace();

}  // namespace cellblock::sandbox
