// Messages with descriptors.
#include "sandbox/base/socket_message.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace cellblock::sandbox::pool {

namespace {

constexpr std::size_t kControlBytes = CMSG_SPACE(kMaxDescriptors * sizeof(int));

void take_descriptors(msghdr& header, Message& message) {
    for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            message.descriptors.emplace_back(fd);
        }
    }
}

}  // namespace

bool is_readable(int socket, std::chrono::milliseconds patience) {
    pollfd wanted{socket, POLLIN, 0};
    int ready = 0;
    do {
        ready = ::poll(&wanted, 1, static_cast<int>(patience.count()));
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

Status send_message(int socket, const std::string& bytes, std::span<const int> descriptors) {
    if (bytes.size() > kMaxMessage || descriptors.size() > kMaxDescriptors) {
        return Error{"ask the daemon", 0, "the request is too large", {}};
    }
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    alignas(cmsghdr) char control[kControlBytes] = {};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (!descriptors.empty()) {
        header.msg_control = control;
        header.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
        cmsghdr* rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(descriptors.size_bytes());
        std::memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size_bytes());
    }
    const ssize_t sent = ::sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent == static_cast<ssize_t>(bytes.size()) ? Status(Ok{}) : errno_error("ask the daemon");
}

Result<Message> receive_message(int socket, std::chrono::milliseconds patience) {
    if (!is_readable(socket, patience)) {
        return Error{"ask the daemon", 0, "it takes too long to answer", {}};
    }
    Message message;
    const auto room = std::make_unique_for_overwrite<char[]>(kMaxMessage);
    iovec part{room.get(), kMaxMessage};
    alignas(cmsghdr) char control[kControlBytes] = {};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t size = ::recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0) {
        return errno_error("ask the daemon");
    }
    take_descriptors(header, message);
    if (size == 0 || (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        return Error{"ask the daemon", 0, size == 0 ? "it is gone" : "a message is too large", {}};
    }
    message.bytes.assign(room.get(), static_cast<std::size_t>(size));
    return message;
}

}  // namespace cellblock::sandbox::pool
