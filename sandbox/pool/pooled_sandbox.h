// A sandbox that is under way or waits for its session, seen from the daemon.
//
// Purpose: what a cold start makes in the kernel's own process (cgroups, the
// jail's sockets, the first worker's) is made here, and handed over once. Nobody
// reads its sockets before its session does. Of a jail that is all of the host's
// part; of another engine's sandbox the sockets, and its maker does the rest.
// Ownership: of the descriptors; letting go of `control` ends the sandbox, by its
// supervisor or relay, which removes the cgroups too. Threads: one. Failure: an Error.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sandbox/api/result.h"
#include "sandbox/channel/worker_sockets.h"
#include "sandbox/jail/cgroup.h"
#include "sandbox/jail/plan.h"
#include "sandbox/jail/spawn.h"
#include "sandbox/pool/launch_order.h"
#include "sandbox/pool/protocol.h"

namespace cellblock::sandbox::pool {

class Spare {
public:
    using Clock = std::chrono::steady_clock;

    // Makes the host's part; `theirs` is what a zygote needs to make the rest: the plan, control, warden,
    // output (to read, to write). `plan` gets an identity and cgroups for each.
    static Result<Spare> make(std::uint64_t number, jail::JailPlan& plan, const Recipe& recipe,
                              std::vector<UniqueFd>& theirs);
    // The sockets alone. `theirs`: the relay's warden and control.
    static Result<Spare> make_sockets(std::uint64_t number, const Recipe& recipe,
                                      std::vector<UniqueFd>& theirs);
    Spare(Spare&&) = default;
    Spare& operator=(Spare&&) = delete;
    Spare(const Spare&) = delete;
    Spare& operator=(const Spare&) = delete;
    ~Spare();

    [[nodiscard]] std::uint64_t number() const { return number_; }
    [[nodiscard]] Clock::time_point since() const { return since_; }
    [[nodiscard]] pid_t supervisor() const { return jail_.supervisor; }
    [[nodiscard]] int process() const { return jail_.process.get(); }
    // Readable once the worker is up, or all is over.
    [[nodiscard]] int worker() const { return worker_.worker.get(); }

    [[nodiscard]] int control() const { return jail_.control.get(); }

    void was_forked(pid_t supervisor, UniqueFd process);
    // What its maker tells. Error: that can't be read.
    Status was_made(const MadeParts& parts);
    void was_seen_up() { up_ = Clock::now(); }
    // Its worker is up; epoch: it isn't yet.
    [[nodiscard]] Clock::time_point up() const { return up_; }
    [[nodiscard]] bool can_be_given() const { return is_whole() && up_ != Clock::time_point(); }
    // It lacks nothing but time, and its session would wait for it in the same way: a jail is up so soon
    // that it is given when it is.
    [[nodiscard]] bool can_be_given_early() const { return !is_jail_ && is_whole(); }
    // Its far end has closed the worker's socket without a word.
    [[nodiscard]] bool is_mute() const;
    // Its supervisor is gone, so nobody removes its cgroups.
    void ended() { jail_.supervisor = -1; }
    // From then on it is the client's.
    Status give_to(int client);

    // What was looked at once it was up; 0: it wasn't yet.
    [[nodiscard]] std::uint64_t memory_bytes() const { return memory_bytes_; }
    void has_memory(std::uint64_t bytes) { memory_bytes_ = bytes; }

private:
    Spare(std::uint64_t number, bool is_jail);
    [[nodiscard]] bool is_whole() const { return jail_.supervisor > 0 && (is_jail_ || !spec_.empty()); }

    std::uint64_t number_;
    Clock::time_point since_;
    Clock::time_point up_;
    std::unique_ptr<jail::Cgroup> cgroup_;  // none: moved from
    jail::SpawnedJail jail_;                // no supervisor before it is forked
    WorkerSockets worker_;
    bool is_jail_;
    std::string spec_;  // of a relay
    std::uint64_t memory_bytes_ = 0;
    bool given_ = false;
};

}  // namespace cellblock::sandbox::pool
