// sendmsg(2), recvmsg(2), cmsg(3).
#include "sandbox/base/socket.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace cellblock::sandbox {

Result<SocketPair> make_socket_pair(int type, const char* step) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends.data()) != 0) {
        return errno_error(step);
    }
    return SocketPair{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

bool is_readable(int socket, std::chrono::milliseconds patience) {
    using Clock = std::chrono::steady_clock;
    const auto until = Clock::now() + patience;
    pollfd wanted{socket, POLLIN, 0};
    int ready = 0;
    do {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
        ready = ::poll(&wanted, 1, static_cast<int>(std::max<long>(left, 0)));
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

std::optional<std::uint32_t> send_some(int socket, std::string& bytes) {
    std::size_t sent = 0;
    while (sent < bytes.size()) {
        const ssize_t done =
            ::send(socket, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (done < 0 && errno != EAGAIN && errno != EINTR) {
            return std::nullopt;
        }
        if (done < 0) {
            break;
        }
        sent += static_cast<std::size_t>(done);
    }
    bytes.erase(0, sent);
    return static_cast<std::uint32_t>(sent);
}

Received receive_with_descriptors(int socket, std::span<char> room) {
    Received received;
    static_cast<ReceivedBytes&>(received) =
        receive_each_descriptor(socket, room, [&](int fd) { received.descriptors.emplace_back(fd); });
    return received;
}

}  // namespace cellblock::sandbox
