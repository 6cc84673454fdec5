// Other processes: which one a number names, what it uses, whether it ended and how.
//
// Purpose: the host reads /proc in this file alone, where memory may be allocated (jail/ has readers of its
// own for code that runs after a fork). Threads: any; no shared state. Failure: what can't be read is empty
// or 0.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "sandbox/api/unique_fd.h"

namespace cellblock::sandbox {

// A pidfd of the process, closed on exec. Invalid, with errno, where there is no such process.
UniqueFd open_pidfd(pid_t process);

// The number of a pidfd's process, as this process sees it; -1: it has ended, or this is no pidfd.
pid_t process_of(int pidfd);

// Waits until the process of this pidfd has ended. False: it still lives after `time`. A descriptor that is
// no pidfd counts as ended; with -1, which nobody can wait for, the time passes and the answer is false.
bool ends_within(int pidfd, std::chrono::milliseconds time);

// When the process began, in ticks since boot: number and start time together tell a process from a later one
// of the same number. Empty if there is no such process, or it has ended and only waits to be collected.
std::string process_start_time(const std::string& pid);

// CPU time of the process and of those children that it has waited for.
double process_cpu_seconds(pid_t process);

// Memory that the process shares with no file and no other process, in bytes.
std::uint64_t process_own_memory(pid_t process);

// The inode number of the caller's pid namespace ("4026531836"); "0" where it isn't known.
std::string pid_namespace();

// For people: how a sandbox's first process ended, for example "the sandbox was ended by signal 9 (SIGKILL);
// it wrote: ...". `wait_status` is that of waitpid(); `text` is what the sandbox wrote, made printable here.
std::string describe_end(int wait_status, std::string_view text);

}  // namespace cellblock::sandbox
