// Link: the two sockets of one sandbox, read and written without blocking.
//
// Purpose: keeps apart what the warden and what the worker sent, and gives one
// descriptor to poll. Ownership: owns its epoll descriptor and our end of the
// worker's socket; the warden's socket stays the Sandbox's.
// Threads: one. Failure: Errors for violations; a peer that is gone is told by
// `end_of_file`.
#pragma once

#include <memory>
#include <string>

#include "sandbox/base/unique_fd.h"
#include "sandbox/channel/frame.h"

namespace cellblock::sandbox {

class Link {
public:
    explicit Link(int warden_fd);

    [[nodiscard]] int poll_fd() const { return epoll_.get(); }

    // Makes the worker's socket, gives its far end to the warden.
    Status start_worker();
    // Forgets the worker's socket and whatever was still to be sent to it.
    void drop_worker();
    [[nodiscard]] bool has_worker() const { return worker_.valid(); }

    Status send_to_warden(const char* command);
    Status send_to_worker(std::string bytes);
    // Sends on what couldn't be sent at once; call when poll_fd() is readable.
    Status flush();

    Result<ReadState> read_warden(Frame& frame) { return warden_reader_.read(warden_fd_, frame); }
    Result<ReadState> read_worker(Frame& frame) { return worker_reader_.read(worker_.get(), frame); }

private:
    void watch(int operation, int fd, bool for_writing) const;

    UniqueFd epoll_;
    int warden_fd_;
    UniqueFd worker_;
    FrameReader warden_reader_{kWardenBounds};
    FrameReader worker_reader_{kWorkerBounds};
    FrameWriter worker_writer_;
    bool waits_for_room_ = false;
};

}  // namespace cellblock::sandbox
