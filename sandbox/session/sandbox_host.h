// SandboxHost: keeps one sandbox with one worker alive, for a Session.
//
// It starts the sandbox through the engine, waits until the worker is ready, reads and decodes its frames,
// finds out how a worker or sandbox died, and starts the next one. It knows nothing of cells:
//
//     host.start();
//     ... poll host.poll_fd() until host.next_deadline() ...
//     host.advance([](HostEvent event) { ... });
//     if (host.ready()) { host.send(encode_execute(1, request)); }
//
// Owns the engine, the sandbox and their descriptors. For one thread. Never throws; failures are HostEvents.
// A start that fails is tried again only when start() is called again; but where a sandbox of the daemon's
// doesn't get ready, one is started without the daemon.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "sandbox/api/engine.h"
#include "sandbox/api/session.h"
#include "sandbox/base/rate_bound.h"
#include "sandbox/channel/link.h"
#include "sandbox/channel/messages.h"

namespace cellblock::sandbox {

// How a worker ended.
struct Death {
    enum class Kind { exit_status, signal, memory_limit, violation, sandbox_gone };
    Kind kind = Kind::sandbox_gone;
    int number = 0;      // exit status or signal
    std::string detail;  // for people; of violation and sandbox_gone
};

struct WorkerGone {
    Death death;
};
struct Unavailable {
    std::string reason;
};
using HostEvent =
    std::variant<WorkerMessage, DebugMessage, FileMessage, CommandMessage, WorkerGone, Unavailable>;

class SandboxHost {
public:
    SandboxHost(Policy policy, Result<std::unique_ptr<Engine>> engine, StartOptions options, Now now);
    ~SandboxHost();
    SandboxHost(const SandboxHost&) = delete;
    SandboxHost& operator=(const SandboxHost&) = delete;

    // Starts a sandbox unless there is one. Failures come as an event.
    void start();
    [[nodiscard]] bool ready() const { return state_ == State::ready; }

    [[nodiscard]] int poll_fd() const { return epoll_.get(); }
    [[nodiscard]] std::optional<TimePoint> next_deadline() const { return deadline_; }
    // Handles what has arrived and passes events to `sink`, without waiting. Of a flood only a part is
    // handled at once, so that the caller has time for others; poll_fd() is then readable again.
    void advance(const std::function<void(HostEvent)>& sink);
    // Makes poll_fd() readable.
    void wake() const;

    void send(OutgoingFrame frame);
    // After start(). False: the worker has no socket for a debugger, or has closed it.
    bool send_to_debugger(OutgoingFrame frame);
    // While ready(). Starts a file agent if there is none; its end is told as FilesGone.
    Status send_to_files(OutgoingFrame frame);
    // The next request finds another one. Without an event.
    void drop_files();
    // The same for commands; the agent's end is told as CommandsGone.
    Status send_to_commands(OutgoingFrame frame);
    void drop_commands();
    void interrupt();
    void kill_worker();
    void kill_sandbox();
    // The sandbox broke the protocol: ends it with this reason.
    void condemn(const std::string& reason);
    // Ends the sandbox at once and without an event.
    void shutdown();
    // A cell names these modules: tells the engine those that this session hasn't named before.
    void note_imports(const std::vector<std::string>& names);
    // While held, frames of the worker and its debugger stay in their sockets, until the worker ends.
    void hold(bool held);
    // poll_fd() is readable when `fd` is, too.
    void watch_also(int fd) const;

    // As Sandbox::changes() gives it. While ready().
    [[nodiscard]] Result<UniqueFd> changes() const { return sandbox_->changes(); }
    // As Sandbox::listener(). While ready().
    [[nodiscard]] Result<UniqueFd> listener() const { return sandbox_->listener(); }
    // As Sandbox::see_host_changes(). While ready().
    [[nodiscard]] Result<std::vector<SeenFile>> see_host_changes(
        const std::vector<std::string>& files) const {
        return sandbox_->see_host_changes(files);
    }
    [[nodiscard]] const Policy& policy() const { return policy_; }
    // If the policy names several engines, the one that was taken.
    [[nodiscard]] std::string engine_name() const { return engine_ ? (*engine_)->name() : policy_.engine; }
    [[nodiscard]] const std::string& python_version() const { return python_; }
    [[nodiscard]] SandboxUsage usage() const;
    [[nodiscard]] std::vector<LayerState> layers() const;

private:
    enum class State {
        absent,    // no sandbox
        pending,   // somebody else makes a sandbox for this session
        starting,  // worker forked, not ready
        ready,     // worker takes cells
        closing,   // worker closed its socket; it is dying, or tries to hide
        dying,     // worker is to be reported dead
    };

    void fail(std::string reason);
    // The sandbox ended before it was ready. One that somebody else made is replaced, by the next advance().
    void fail_to_start(std::string reason);
    void start_anew();
    void look_for_sandbox();
    void use(Result<std::unique_ptr<Sandbox>> started);
    void next_worker();
    void expect_worker();
    void worker_closed_socket();
    // How much is read from a socket at once.
    class Share;

    template <class Open, class Read, class Take, class Ended>
    void read_frames(Share share, Open open, Read read, Take take_frame, Ended ended);
    void read_worker_frames(Share share);
    void read_debug_frames(Share share);
    void read_file_frames(Share share);
    void read_command_frames(Share share);
    void agents_ended();
    void files_ended();
    void commands_ended();
    void read_warden_frames();
    // Reads what the worker and its agents sent before they ended.
    void drain();
    void take(WorkerMessage message);
    void take(const WardenMessage& message);
    void take(const WorkerExited& report);
    void sandbox_ended();
    void expect_report();
    void deadline_passed();
    void too_late();
    void discard();
    [[nodiscard]] Death death_of(const WorkerExited& report) const;

    Policy policy_;
    Result<std::unique_ptr<Engine>> engine_;
    StartOptions options_;
    Now now_;
    UniqueFd epoll_;
    UniqueFd wake_;
    std::unique_ptr<PendingSandbox> pending_;
    std::unique_ptr<PendingSandbox> taken_from_;  // until the sandbox that it gave is ready
    std::optional<std::string> failed_;           // why that sandbox is to be replaced
    std::vector<OutgoingFrame> debugger_waits_;   // for a sandbox that isn't there yet
    std::unique_ptr<Sandbox> sandbox_;
    std::unique_ptr<Link> link_;
    State state_ = State::absent;
    bool held_ = false;
    bool was_ready_ = false;  // this sandbox's workers can start
    int left_early_ = 0;      // workers in a row that left by themselves before they were ready
    bool greeted_ = false;    // its warden has said hello
    bool worker_was_ready_ = false;
    bool announced_ = false;  // its worker has said which Python it is
    std::optional<TimePoint> deadline_;
    std::optional<std::string> condemned_;
    std::string python_;
    std::uint64_t oom_kills_seen_ = 0;
    std::uint64_t kills_by_warden_ = 0;  // where no cgroup counts
    RateBound kill_reports_{100, 20};    // a warden looks at most ten times a second
    std::deque<HostEvent> events_;
    std::set<std::string> noted_imports_;  // what this session's cells have named so far
};

}  // namespace cellblock::sandbox
