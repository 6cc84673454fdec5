// Link: the sockets of one sandbox, read and written without blocking.
//
// Purpose: keeps apart what the warden sent, what the worker sent and what came
// from its debugger, and gives one descriptor to poll. Ownership: owns its epoll
// descriptor and our ends of the worker's sockets; the warden's stays the Sandbox's.
// Threads: one. Failure: Errors for violations; a peer that is gone is told by
// `end_of_file`.
#pragma once

#include <memory>
#include <string>

#include "sandbox/api/unique_fd.h"
#include "sandbox/channel/frame.h"
#include "sandbox/channel/worker_sockets.h"

namespace cellblock::sandbox {

class Link {
public:
    // `debugger`: each worker gets a second socket, for that.
    Link(int warden_fd, bool debugger);

    [[nodiscard]] int poll_fd() const { return epoll_.get(); }

    // Makes the worker's sockets, gives their far ends to the warden.
    Status start_worker();
    // Of one that was started elsewhere.
    void adopt_worker(WorkerSockets sockets);
    // Forgets the worker's sockets and whatever was still to be sent to it.
    void drop_worker();
    [[nodiscard]] bool has_worker() const { return worker_.valid(); }

    Status send_to_warden(const char* command);
    Status send_to_worker(std::string bytes);
    Status send_to_debugger(std::string bytes);
    void drop_debugger() { debugger_.reset(); }
    // Sends on what couldn't be sent at once; call when poll_fd() is readable.
    Status flush();

    Result<ReadState> read_warden(Frame& frame) { return warden_reader_.read(warden_fd_, frame); }
    Result<ReadState> read_worker(Frame& frame) { return worker_.read(frame); }
    Result<ReadState> read_debugger(Frame& frame) { return debugger_.read(frame); }
    [[nodiscard]] bool has_debugger() const { return debugger_.valid(); }
    // poll_fd() doesn't tell of what worker and debugger send.
    void hold(bool held);

private:
    // Our end of one of a worker's sockets.
    class End {
    public:
        explicit End(FrameBounds bounds) : bounds_(bounds), reader_(bounds) {}
        void open(UniqueFd fd, int epoll);
        void reset();
        void hold(bool held);
        [[nodiscard]] bool valid() const { return fd_.valid(); }
        Status send(std::string bytes);
        Status flush();
        Result<ReadState> read(Frame& frame) { return reader_.read(fd_.get(), frame); }

    private:
        void watch() const;

        FrameBounds bounds_;
        UniqueFd fd_;
        int epoll_ = -1;
        FrameReader reader_;
        FrameWriter writer_;
        bool waits_for_room_ = false;
        bool held_ = false;
    };

    UniqueFd epoll_;
    int warden_fd_;
    bool with_debugger_;
    FrameReader warden_reader_{kWardenBounds};
    End worker_{kWorkerBounds};
    End debugger_{kDebugBounds};
};

}  // namespace cellblock::sandbox
