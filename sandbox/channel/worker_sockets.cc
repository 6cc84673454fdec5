// A worker's sockets.
#include "sandbox/channel/worker_sockets.h"

#include <sys/socket.h>

#include <array>
#include <vector>

#include "sandbox/channel/frame.h"
#include "sandbox/channel/messages.h"

namespace cellblock::sandbox {

Result<WorkerSockets> start_worker(int warden_fd, bool debugger) {
    WorkerSockets ours;
    std::vector<UniqueFd> theirs;
    std::vector<int> numbers;
    for (UniqueFd* end : {&ours.worker, &ours.debugger}) {
        if (end == &ours.debugger && !debugger) {
            continue;
        }
        std::array<int, 2> ends{};
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
            return errno_error("make a socket for the worker");
        }
        end->reset(ends[0]);
        theirs.emplace_back(ends[1]);
        numbers.push_back(ends[1]);
    }
    if (auto sent = send_frame_with_descriptors(warden_fd, encode_warden_command("start_worker"), numbers);
        !sent) {
        return sent.error();
    }
    return ours;
}

}  // namespace cellblock::sandbox
