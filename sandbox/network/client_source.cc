// accept(2), or recvmsg(2).
#include "sandbox/network/client_source.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "sandbox/base/socket.h"

namespace cellblock::sandbox::network {

namespace {

bool is_listening(const UniqueFd& socket) {
    int value = 0;
    socklen_t size = sizeof value;
    return ::getsockopt(socket.get(), SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value != 0;
}

bool is_socket(const UniqueFd& one) {
    struct stat info {};
    return ::fstat(one.get(), &info) == 0 && S_ISSOCK(info.st_mode);
}

}  // namespace

ClientSource::ClientSource(UniqueFd socket) : socket_(std::move(socket)), listens_(is_listening(socket_)) {}

UniqueFd ClientSource::next() {
    return listens_ ? UniqueFd(::accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC))
                    : take_handed_over();
}

UniqueFd ClientSource::take_handed_over() {
    char byte = 0;
    auto received = receive_with_descriptors(socket_.get(), {&byte, 1});
    has_ended_ = received.size == 0;
    if (received.size <= 0) {
        return {};
    }
    const bool is_one = received.descriptors.size() == 1 && is_socket(received.descriptors.front());
    if (!is_one || ::fcntl(received.descriptors.front().get(), F_SETFL, O_RDWR | O_NONBLOCK) != 0) {
        errno = EPROTO;
        return {};
    }
    return std::move(received.descriptors.front());
}

}  // namespace cellblock::sandbox::network
