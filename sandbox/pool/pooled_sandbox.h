// A sandbox that starts, or is ready and waits for its session, seen from the daemon.
//
// Purpose: what a cold start makes in the kernel's own process (control groups, the jail's sockets, the first
// worker's) is made here and given to a session once. No byte is taken from its sockets before. For a jail
// that is the host's whole part; for another engine's sandbox it is the sockets, and its launcher does the
// rest. Ownership: of the descriptors; closing `control` ends the sandbox, by its supervisor or relay, which
// removes the control groups too. Threads: one. Failure: an Error.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sandbox/api/result.h"
#include "sandbox/channel/link.h"
#include "sandbox/jail/cgroup.h"
#include "sandbox/jail/plan.h"
#include "sandbox/jail/spawn.h"
#include "sandbox/pool/launch_order.h"
#include "sandbox/pool/protocol.h"
#include "sandbox/pool/zygote.h"

namespace cellblock::sandbox::pool {

class PooledSandbox {
public:
    using Clock = std::chrono::steady_clock;

    // Makes the host's part of a jail. `theirs`: the descriptors that the zygote needs for the rest: the
    // plan, control, warden, output (to read, to write), attendant. `plan`, which the zygote has nested, is
    // given an identity and control groups for this jail.
    static Result<PooledSandbox> make(std::uint64_t number, const Zygote& zygote, jail::JailPlan& plan,
                                      const Recipe& recipe, std::vector<UniqueFd>& theirs);
    // Makes the sockets alone. `theirs`: the relay's warden and control.
    static Result<PooledSandbox> make_sockets(std::uint64_t number, const Recipe& recipe,
                                              std::vector<UniqueFd>& theirs);
    PooledSandbox(PooledSandbox&&) = default;
    PooledSandbox& operator=(PooledSandbox&&) = delete;
    PooledSandbox(const PooledSandbox&) = delete;
    PooledSandbox& operator=(const PooledSandbox&) = delete;
    ~PooledSandbox();

    [[nodiscard]] std::uint64_t number() const { return number_; }
    [[nodiscard]] Clock::time_point since() const { return since_; }
    [[nodiscard]] pid_t supervisor() const { return jail_.supervisor; }
    [[nodiscard]] int process() const { return jail_.process.get(); }
    // Readable once the worker is ready, or its socket has ended.
    [[nodiscard]] int worker() const { return worker_.worker.get(); }

    [[nodiscard]] int control() const { return jail_.control.get(); }

    void was_forked(pid_t supervisor, UniqueFd process);
    // Takes the launcher's report. Error: the report can't be read.
    Status was_launched(const LaunchReport& parts);
    void note_ready() { ready_since_ = Clock::now(); }
    // Since when its worker is ready; the epoch: not yet.
    [[nodiscard]] Clock::time_point ready_since() const { return ready_since_; }
    [[nodiscard]] bool can_be_given() const { return is_whole() && ready_since_ != Clock::time_point(); }
    // A launched sandbox lacks nothing but time, and its session can wait for that as well as the daemon. (A
    // jail is ready so soon that it is given only then.)
    [[nodiscard]] bool can_be_given_early() const { return !is_jail_ && is_whole(); }
    // The worker's socket has ended without a byte.
    [[nodiscard]] bool closed_without_output() const;
    // Its jail couldn't be made, and why lies in `control` for its session. (That is sent before the worker's
    // socket ends.)
    [[nodiscard]] bool tells_why_it_wasnt_made() const;
    [[nodiscard]] bool is_jail() const { return is_jail_; }
    // A jail's, which its supervisor can't remove.
    [[nodiscard]] const jail::Cgroup& cgroup() const { return *cgroup_; }
    // Sends the descriptors; from then on the sandbox is the client's.
    Status give_to(int client);

    // Its memory as it was once it was ready; 0: nobody has looked yet.
    [[nodiscard]] std::uint64_t memory_bytes() const { return memory_bytes_; }
    void has_memory(std::uint64_t bytes) { memory_bytes_ = bytes; }

private:
    PooledSandbox(std::uint64_t number, bool is_jail);
    [[nodiscard]] bool is_whole() const { return jail_.supervisor > 0 && (is_jail_ || !spec_.empty()); }

    std::uint64_t number_;
    Clock::time_point since_;
    Clock::time_point ready_since_;
    std::unique_ptr<jail::Cgroup> cgroup_;  // null: moved from
    jail::SpawnedJail jail_;                // without a supervisor before the fork
    WorkerSockets worker_;
    bool is_jail_;
    std::string spec_;  // of a relay
    std::uint64_t memory_bytes_ = 0;
    bool given_ = false;
};

}  // namespace cellblock::sandbox::pool
