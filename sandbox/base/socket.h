// Unix sockets: pairs, waiting for one, and descriptors that travel beside bytes (SCM_RIGHTS).
//
// Ownership: received descriptors belong to the receiver and are closed on exec. Threads: none of its own.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"

namespace cellblock::sandbox {

// The most descriptors that go beside one message. More that arrive are closed, and the message counts as
// cut.
inline constexpr std::size_t kMaxDescriptors = 8;

struct SocketPair {
    UniqueFd ours;
    UniqueFd theirs;
};

// Two connected sockets, closed on exec; `type` is SOCK_STREAM or SOCK_SEQPACKET, with SOCK_NONBLOCK where
// wanted. `step` is the Error's: what the sockets are for.
Result<SocketPair> make_socket_pair(int type, const char* step);

// Waits until there is something to read, or the other end has closed; false after `patience`.
bool is_readable(int socket, std::chrono::milliseconds patience);

// As send(2), without ever waiting and without SIGPIPE; the descriptors go with the first byte. -1: see errno
// (EINVAL: too many descriptors).
ssize_t send_with_descriptors(int socket, std::string_view bytes, std::span<const int> descriptors);

struct Received {
    ssize_t size = -1;  // as recv(2) gives it; -1: see errno
    bool cut = false;   // bytes or descriptors were lost, because there was no room for them
    std::vector<UniqueFd> descriptors;
};

// As recv(2), without ever waiting.
Received receive_with_descriptors(int socket, std::span<char> room);

}  // namespace cellblock::sandbox
