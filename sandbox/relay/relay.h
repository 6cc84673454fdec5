// The relay: a process for each sandbox that is reached through a command's stdin and stdout.
//
// Purpose: to the host the relay is a warden's socket, and takes workers' sockets as SCM_RIGHTS; to the far
// end it speaks the format of README.md. It ends with its host, and takes the command and all that the
// command made along. Ownership: of both sockets and the command. Threads: one; the process has no other
// work. Failure: told on the control socket in words, before the warden's socket ends.
#pragma once

#include "sandbox/api/unique_fd.h"
#include "sandbox/jail/report.h"
#include "sandbox/relay/spec.h"

namespace cellblock::sandbox::relay {

// Descriptors of `cellblock relay`.
inline constexpr int kSpecFd = 3;
inline constexpr int kWardenFd = 4;
inline constexpr int kControlFd = 5;

// On the control socket, which keeps messages apart, the host asks to kill by one byte. The relay answers
// with the reason of its end in words, or, if it was killed before the far end spoke, with what the command
// wrote; at most kMostReason bytes. Its last message, after the host has shut down or closed the socket, is
// kCleared: nothing is left of what the spec names.
//
// Where the spec permits connections to the proxy, the relay's first message is kDoor, and beside it a
// descriptor: the socket over which the broker is handed them (connections.h), each as a descriptor beside
// one byte.
inline constexpr char kKillRequest = 'k';
inline constexpr char kDoor = '\1';
inline constexpr std::size_t kMostReason = 4096;
inline constexpr char kCleared = '\0';

// How the relay ended. A jail's supervisor leaves with the same numbers as exit status.
enum class Left : int {
    with_its_host = jail::kLeftAlive,
    by_itself = jail::kLeftEnded,
    by_request = jail::kLeftKilled,
};

// Returns after the control socket has ended and everything is cleared away.
Left serve(const Spec& spec, UniqueFd warden, UniqueFd control);

}  // namespace cellblock::sandbox::relay
