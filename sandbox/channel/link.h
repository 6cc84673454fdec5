// Link: the sockets between the host and one sandbox, read and written without blocking.
//
// A sandbox has a socket to its warden, one to its worker and perhaps one to the worker's debugger, to its
// file agent and to its command agent (FRAMES.md). Link keeps their frames apart and has one descriptor to
// poll:
//
//     Link link(sandbox->warden_fd(), /*debugger=*/false);
//     link.start_worker();
//     link.send_to_worker(encode_execute(1, request));
//     ... poll link.poll_fd() ...
//     link.flush();
//     while (*link.read_worker(frame) == ReadState::frame) { ... }
//
// Ownership: Link owns its epoll descriptor and the host's ends of the worker's sockets; the warden's socket
// belongs to the Sandbox, which must outlive the Link. For one thread. An Error of a read_ function is a
// violation by the sandbox; a peer that has ended is told by ReadState::end_of_file.
#pragma once

#include <memory>
#include <string>

#include "sandbox/api/engine.h"
#include "sandbox/api/unique_fd.h"
#include "sandbox/channel/frame.h"

namespace cellblock::sandbox {

// Makes the sockets of a new worker and hands their far ends to the warden, which forks a worker on them.
// Returns the host's ends, for the caller to own. `debugger`: the worker gets a second socket, for its
// debugger. Error: no sockets, or the warden has ended.
Result<WorkerSockets> start_worker(int warden_fd, bool debugger);

// The same for an agent, by its command: "start_files" or "start_commands". Returns the host's end of its
// socket.
Result<UniqueFd> start_agent(int warden_fd, const char* command);

class Link {
public:
    // `debugger`: each worker gets a second socket, for its debugger.
    Link(int warden_fd, bool debugger);

    [[nodiscard]] int poll_fd() const { return epoll_.get(); }

    // Starts a worker on new sockets; the sockets of the worker before it are closed.
    Status start_worker();
    // Takes over the sockets of a worker that was started elsewhere.
    void adopt_worker(WorkerSockets sockets);
    // Closes the worker's sockets and forgets what was still to be sent to it.
    void drop_worker();
    [[nodiscard]] bool has_worker() const { return worker_.valid(); }

    Status send_to_warden(const char* command);
    // Queue a frame and send what the socket takes. Error: there is no worker, it has ended, or it has
    // stopped reading.
    Status send_to_worker(OutgoingFrame frame);
    Status send_to_debugger(OutgoingFrame frame);
    void drop_debugger() { debugger_.reset(); }
    // To the file agent, which is started if there is none.
    Status send_to_files(OutgoingFrame frame);
    void drop_files() { files_.reset(); }
    // The same to the command agent.
    Status send_to_commands(OutgoingFrame frame);
    void drop_commands() { commands_.reset(); }
    // Sends what couldn't be sent at once; call when poll_fd() is readable. Error: the worker has ended. What
    // it sent before can still be read.
    Status flush();

    Result<ReadState> read_warden(Frame& frame) { return warden_reader_.read(warden_fd_, frame); }
    Result<ReadState> read_worker(Frame& frame) { return worker_.read(frame); }
    Result<ReadState> read_debugger(Frame& frame) { return debugger_.read(frame); }
    [[nodiscard]] bool has_debugger() const { return debugger_.valid(); }
    Result<ReadState> read_files(Frame& frame) { return files_.read(frame); }
    [[nodiscard]] bool has_files() const { return files_.valid(); }
    Result<ReadState> read_commands(Frame& frame) { return commands_.read(frame); }
    [[nodiscard]] bool has_commands() const { return commands_.valid(); }
    // While held, poll_fd() isn't readable for frames of worker and debugger: they stay in their sockets.
    void hold(bool held);

private:
    // The host's end of a socket, and what waits for it.
    class End {
    public:
        explicit End(FrameBounds bounds) : bounds_(bounds), reader_(bounds) {}
        void open(UniqueFd fd, int epoll);
        void reset();
        void hold(bool held);
        [[nodiscard]] bool valid() const { return fd_.valid(); }
        Status send(OutgoingFrame frame);
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

    Status send_to_agent(End& agent, const char* command, OutgoingFrame frame);

    UniqueFd epoll_;
    int warden_fd_;
    bool with_debugger_;
    FrameReader warden_reader_{kWardenBounds};
    End worker_{kWorkerBounds};
    End debugger_{kDebugBounds};
    End files_{kFilesBounds};
    End commands_{kCommandsBounds};
};

}  // namespace cellblock::sandbox
