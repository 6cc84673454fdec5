// The engines' way to the daemon's pool: a claim, its answer, and the sandbox that comes of it.
//
// Purpose: what the native engine and those of templates have in common: does the policy want the daemon,
// which request is sent, what is answered, and a cold start where there is no sandbox to be had. A daemon
// that isn't there is started for the next time. Ownership: of what is given. Threads: other threads may run
// meanwhile. Failure: why the start has to be cold, or why there may be no sandbox at all.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "sandbox/api/engine.h"
#include "sandbox/base/socket.h"
#include "sandbox/jail/cgroup.h"
#include "sandbox/pool/protocol.h"

namespace cellblock::sandbox {

namespace pool {

// The answer to whether a session wants its sandbox from the daemon. `in_silence`: nobody has asked for that,
// it is the default, so a cold start in its stead isn't told on standard error.
struct Wish {
    bool wanted = false;
    bool in_silence = false;
};

// The policy's, or instead of it $CELLBLOCK_DAEMON's (1 or 0). `is_native`: of the engine `native`.
Wish wish_of(const Policy& policy, bool is_native);

// True: the daemon that a claim goes to has a control group of its own from systemd, as far as that can be
// told by looking; so its sandboxes' memory is limited, wherever the caller is.
bool daemon_has_scope();

// Tells a daemon what a session of this Python (its program) imports. Never waits. False: there is none, or
// none yet.
bool tell_imports(const std::string& python, const std::vector<std::string>& names);

// Waits until the daemon has heard the last of that, at most 2 s; at once, where nothing was told. A program
// calls it before it ends: a daemon doesn't trust the word of a process that it can no longer look at.
void wait_until_heard();

// The part of a claim that depends on the policy, for every engine. `is_interchangeable`: another session
// with the same request may get the sandbox, so the daemon may make such sandboxes ahead.
Recipe recipe_for(const Policy& policy, bool is_interchangeable);

// A sandbox that the daemon gave. Its supervisor or relay is no child of this process; the pidfd tells its
// end.
struct GivenSandbox {
    pid_t supervisor = -1;
    UniqueFd process;
    UniqueFd control;
    UniqueFd warden;
    WorkerSockets worker;  // of a worker that is ready, or will be
    jail::Cgroup cgroup;
    std::string spec;  // relay::to_bytes; empty for a jail
};

// The daemon gives no sandbox; the session starts one by itself.
struct ColdStart {
    std::string reason;
};
// The bounds on the number of sandboxes are reached; the session may start none by itself either.
struct NoneMore {
    Error error;
};
using Answer = std::variant<GivenSandbox, ColdStart, NoneMore>;

// A request that was sent to the daemon. If destroyed before the answer, the sandbox stays in the pool.
class Claim {
public:
    // Sends the request, with `plan` in a file beside it. Where that fails, take() tells why.
    Claim(const Policy& policy, const Request& request, const std::string& plan);
    // A request that could not be made up: take() tells why.
    explicit Claim(Error failure) : failure_(std::move(failure)) {}

    // Poll this descriptor for reading, then call take(). -1: take() returns at once.
    [[nodiscard]] int poll_fd() const { return daemon_.get(); }

    // Never waits. nullopt: there is no answer yet.
    std::optional<Answer> take();

    // The daemon says soon whether the claim has to wait; then the wait lasts for the policy's
    // limits.start_time.
    [[nodiscard]] std::chrono::steady_clock::time_point deadline() const { return deadline_; }
    // The answer of a claim whose deadline is over.
    [[nodiscard]] static ColdStart too_late();

private:
    UniqueFd daemon_;
    std::optional<Error> failure_;
    std::chrono::milliseconds start_time_{};
    std::chrono::steady_clock::time_point deadline_{};
};

}  // namespace pool

// Waits for a Claim or a PendingSandbox; nullopt once its deadline is over.
template <class Pending>
auto take_by_deadline(Pending& pending) -> decltype(pending.take()) {
    while (true) {
        if (auto taken = pending.take()) {
            return taken;
        }
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(pending.deadline() -
                                                                       std::chrono::steady_clock::now());
        if (left.count() <= 0) {
            return std::nullopt;
        }
        (void)is_readable(pending.poll_fd(), left);
    }
}

// A sandbox that was claimed. Each engine tells how it becomes a Sandbox, and how to start one without the
// daemon.
class ClaimedSandbox : public PendingSandbox {
public:
    // `came`: what the claim has given already; null: nothing yet.
    ClaimedSandbox(pool::Claim claim, bool in_silence, std::unique_ptr<Sandbox> came = nullptr)
        : claim_(std::move(claim)), came_(std::move(came)), in_silence_(in_silence) {}

    [[nodiscard]] int poll_fd() const override { return claim_.poll_fd(); }
    [[nodiscard]] std::chrono::steady_clock::time_point deadline() const override {
        return claim_.deadline();
    }
    std::optional<Result<std::unique_ptr<Sandbox>>> take() override;
    Result<std::unique_ptr<Sandbox>> give_up() override;
    std::optional<Result<std::unique_ptr<Sandbox>>> start_anew(const std::string& reason) override;

protected:
    virtual Result<std::unique_ptr<Sandbox>> adopt(pool::GivenSandbox given) = 0;
    virtual Result<std::unique_ptr<Sandbox>> start_cold() = 0;

    // Says why on standard error (but in silence), then start_cold().
    Result<std::unique_ptr<Sandbox>> start_cold_because(const std::string& reason);

private:
    pool::Claim claim_;
    std::unique_ptr<Sandbox> came_;
    bool in_silence_;
    bool started_cold_ = false;
};

}  // namespace cellblock::sandbox
