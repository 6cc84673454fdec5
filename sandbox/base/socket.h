// Unix sockets: pairs, waiting for one, and descriptors that travel beside bytes (SCM_RIGHTS).
//
// Ownership: received descriptors belong to the receiver and are closed on exec. Threads: none of its own.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
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

// The most bytes of a message's control part: descriptors alone.
inline constexpr std::size_t kControlBytes = CMSG_SPACE(kMaxDescriptors * sizeof(int));

// As send(2), without ever waiting and without SIGPIPE; the descriptors go with the first byte. -1: see errno
// (EINVAL: too many descriptors). Allocates nothing, so code that runs after a fork may call it.
inline ssize_t send_with_descriptors(int socket, std::string_view bytes, std::span<const int> descriptors) {
    if (descriptors.size() > kMaxDescriptors) {
        errno = EINVAL;
        return -1;
    }
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    alignas(cmsghdr) std::array<char, kControlBytes> control{};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (!descriptors.empty()) {
        header.msg_control = control.data();
        header.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
        cmsghdr* rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(descriptors.size_bytes());
        std::memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size_bytes());
    }
    return ::sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
}

// Sends as many of the bytes as the socket takes now, erases them, and gives their number. nullopt: the other
// end takes no more; nothing is then erased.
std::optional<std::uint32_t> send_some(int socket, std::string& bytes);

struct ReceivedBytes {
    ssize_t size = -1;  // as recv(2) gives it; -1: see errno
    bool cut = false;   // bytes or descriptors were lost, because there was no room for them
};

// As recv(2), without ever waiting. Calls take(fd) for each descriptor that came; it is the callee's, and
// closes on exec. Allocates nothing, so code that runs after a fork may call it.
template <class Take>
ReceivedBytes receive_each_descriptor(int socket, std::span<char> room, Take take) {
    iovec part{room.data(), room.size()};
    alignas(cmsghdr) std::array<char, kControlBytes> control{};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const ssize_t size = ::recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0) {
        return {};
    }
    for (cmsghdr* one = CMSG_FIRSTHDR(&header); one != nullptr; one = CMSG_NXTHDR(&header, one)) {
        if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        const std::size_t count = (one->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(one) + i * sizeof fd, sizeof fd);
            take(fd);
        }
    }
    return {size, (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0};
}

struct Received : ReceivedBytes {
    std::vector<UniqueFd> descriptors;
};

// The same, with the descriptors in a list that closes them.
Received receive_with_descriptors(int socket, std::span<char> room);

}  // namespace cellblock::sandbox
