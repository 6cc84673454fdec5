// Questions of a nested jail's first process to its attendant.
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "sandbox/base/socket.h"
#include "sandbox/jail/attendant.h"
#include "sandbox/jail/attendant_word.h"

namespace cellblock::sandbox::jail {

namespace {

Failure unanswered(int error) {
    return {Step::ask_attendant, 0, error != 0 ? error : EIO};
}

bool take(const JailPlan& plan, std::int32_t place, int fd) {
    auto& list = place < 0 ? plan.cgroup_descriptors : plan.sources;
    const auto index = static_cast<std::size_t>(place < 0 ? ~place : place);
    if (index >= list.size()) {
        return false;
    }
    list[index] = fd;
    return true;
}

}  // namespace

Failure ask_attendant(const JailPlan& plan, int socket) {
    AttendantWord word;
    // An attendant that has failed already has closed the socket, but its word can still be read.
    (void)::send(socket, &kAttendantHello, 1, MSG_NOSIGNAL);
    while (word.is_last == 0) {
        pollfd wanted{socket, POLLIN, 0};
        while (::poll(&wanted, 1, -1) < 0 && errno == EINTR) {
        }
        word = {};
        std::uint32_t came = 0;
        std::array<int, kMaxDescriptors> descriptors{};
        const auto received = receive_each_descriptor(socket, {reinterpret_cast<char*>(&word), sizeof word},
                                                      [&](int fd) { descriptors[came++] = fd; });
        if (received.size != static_cast<ssize_t>(sizeof word) || received.cut || came != word.count) {
            return unanswered(received.size == 0 ? ESRCH : EPROTO);
        }
        for (std::uint32_t i = 0; i < came; ++i) {
            if (!take(plan, word.place[i], descriptors[i])) {
                return unanswered(EPROTO);
            }
        }
    }
    return word.failure;
}

}  // namespace cellblock::sandbox::jail
