// The relay: one process for each sandbox that is reached by a command's stdin
// and stdout.
//
// Purpose: to the host it looks as a warden's socket does, and takes workers'
// sockets as SCM_RIGHTS; to the far end it speaks the format of README.md. It ends
// with its host, and takes the command and what that made along.
// Ownership: of both sockets and the command. Threads: one; the process is its own.
// Failure: told on the control socket in words, before the warden's socket ends.
#pragma once

#include "sandbox/api/unique_fd.h"
#include "sandbox/jail/report.h"
#include "sandbox/relay/spec.h"

namespace cellblock::sandbox::relay {

// Descriptors of `cellblock relay`.
inline constexpr int kSpecFd = 3;
inline constexpr int kWardenFd = 4;
inline constexpr int kControlFd = 5;

// On the control socket, which keeps messages apart: a byte asks to kill. What comes back are
// words: why it ended, or, of one that was killed before its far end spoke, what the command wrote;
// at most this long. Its last message, once its host has shut the socket down or closed it, is kCleared:
// nothing is left of what the spec names.
inline constexpr char kKillRequest = 'k';
inline constexpr std::size_t kMostReason = 4096;
inline constexpr char kCleared = '\0';

// How it ended; as an exit status, a jail's supervisor says it by the same numbers.
enum class Left : int {
    with_its_host = jail::kLeftAlive,
    by_itself = jail::kLeftEnded,
    by_request = jail::kLeftKilled,
};

// Until the control socket ends, and everything is cleared away.
Left serve(const Spec& spec, UniqueFd warden, UniqueFd control);

}  // namespace cellblock::sandbox::relay
