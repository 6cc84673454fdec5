// How many files this program may have open: the soft limit RLIMIT_NOFILE.
//
// Purpose: Linux compares all descriptors of a user that are on their way through Unix sockets with the
// sender's limit. Cells of an ordinary user are that user too, so cellblock's own processes raise their limit
// far above a cell's, and always can send a descriptor. Programs that aren't cellblock's get what was before:
// some still count on numbers below 1,024 (select). Threads: raise_file_limit() is called before there is a
// second one. Failure: the limit stays as it is.
#pragma once

#include <sys/types.h>

namespace cellblock::sandbox {

// As far as the hard limit allows.
void raise_file_limit();

// In a child of ours, before it becomes another program. Async-signal-safe. Without raise_file_limit():
// nothing.
void give_back_file_limit();

// The same for a child that has become another program already.
void give_back_file_limit(pid_t child);

}  // namespace cellblock::sandbox
