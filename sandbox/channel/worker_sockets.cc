// A worker's sockets.
#include "sandbox/channel/worker_sockets.h"

#include <sys/socket.h>

#include <utility>
#include <vector>

#include "sandbox/base/socket.h"
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
        auto sockets = make_socket_pair(SOCK_STREAM, "make a socket for the worker");
        if (!sockets) {
            return sockets.error();
        }
        *end = std::move(sockets->ours);
        numbers.push_back(sockets->theirs.get());
        theirs.push_back(std::move(sockets->theirs));
    }
    if (auto sent = send_frame_with_descriptors(warden_fd, encode_warden_command("start_worker"), numbers);
        !sent) {
        return sent.error();
    }
    return ours;
}

}  // namespace cellblock::sandbox
