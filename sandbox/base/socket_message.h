// One message on a Unix socket (SOCK_SEQPACKET): bytes, and descriptors beside them.
//
// Purpose: all that clients, the daemon and its zygotes tell each other.
// Ownership: what is received belongs to the receiver. Threads: none.
// Failure: an Error.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <vector>

#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"

namespace cellblock::sandbox::pool {

inline constexpr std::size_t kMaxMessage = 128U << 10;
inline constexpr std::size_t kMaxDescriptors = 8;

struct Message {
    std::string bytes;
    std::vector<UniqueFd> descriptors;
};

// Never waits: where there is no room, that is an Error.
Status send_message(int socket, const std::string& bytes, std::span<const int> descriptors = {});

// Waits for as long; true once there is something to read, or the end.
bool is_readable(int socket, std::chrono::milliseconds patience);

// Waits for as long. Error: too late, the other end's going, or not a whole message.
Result<Message> receive_message(int socket, std::chrono::milliseconds patience);

}  // namespace cellblock::sandbox::pool
