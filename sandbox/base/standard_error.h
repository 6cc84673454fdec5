// The place where a process's standard error goes, in words for people.
//
//     std::cout << "it logs to " << standard_error_of(::getpid()) << "\n";  // /dev/pts/3
//
// Purpose: who looks for a log is told the file, or the command that shows it in systemd's journal. Threads:
// any. Failure: what can't be read is empty.
#pragma once

#include <sys/types.h>

#include <string>

namespace cellblock::sandbox {

// "/dev/pts/3", "pipe:[1234]", or, where systemd's journal takes it, the command that shows it there. Empty:
// the process is gone or another user's.
std::string standard_error_of(pid_t process);

}  // namespace cellblock::sandbox
