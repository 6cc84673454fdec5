// The pool: sandboxes that start or are ready, and the clients that wait for one.
//
// Purpose: a client that claims a sandbox gets one of its kind (sandbox_kind.h) that is ready, else the next
// one that becomes ready. No sandbox of the pool ever belonged to anybody. Of each kind the pool keeps as
// many as the policy wants (`pool.min`), or as many as were claimed in the last seconds, up to `pool.max`.
// Only as many start at once as there are processors, at least two (jails and all others are counted apart),
// and half as many of those that no client waits for, which come last. Where a client waits, sandboxes of
// other engines are given before they are ready, because their session can wait as well. Ownership: of its
// sandboxes, and of the sockets of clients that wait. Threads: one. Failure: a client is told why it has to
// start cold, or, where the daemon's bounds are reached (kFull), why it may not start at all.
#pragma once

#include <chrono>
#include <deque>
#include <list>
#include <map>
#include <string>

#include "sandbox/base/event_loop.h"
#include "sandbox/pool/accounting.h"
#include "sandbox/pool/launchers.h"
#include "sandbox/pool/sandbox_kind.h"

namespace cellblock::sandbox::pool {

class Pool {
public:
    using Clock = std::chrono::steady_clock;

    Pool(EventLoop& loop, Accounting& accounting, Launchers& makers);
    ~Pool();
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    // Answers the client by kWait, kGiven, kRefused or kFull (protocol.h), sooner or later. `zygote` is ready
    // and forks by `plan`; null: `plan` is another engine's launch order.
    void claim(UniqueFd client, const Request& request, const std::string& plan, Zygote* zygote);
    // Registers the kind, so that tend() makes sandboxes ready for claims to come.
    // `zygote` as for claim().
    void prepare(const Request& request, const std::string& plan, Zygote* zygote);
    // Reports of zygotes.
    void was_forked(std::uint64_t number, pid_t supervisor, UniqueFd process);
    void was_not_forked(std::uint64_t number, const std::string& reason);
    // Reports of launchers.
    void was_launched(std::uint64_t number, const LaunchReport& parts);
    void was_not_launched(std::uint64_t number, const std::string& reason);
    void died(std::uint64_t number);
    // Drops all sandboxes that are forks of the zygote. To be called before the zygote is gone.
    void drop_zygote(const Zygote& zygote);
    // Forks come from `now` instead of `before`.
    void replace_zygote(const Zygote& before, Zygote& now);
    // Starts sandboxes that are missing, drops surplus ones.
    void tend();
    // When tend() is to be called next.
    [[nodiscard]] Clock::time_point next() const;
    // No client waits.
    [[nodiscard]] bool idle() const;

    struct Count {
        std::size_t ready = 0;
        std::size_t starting = 0;
        std::size_t waiting = 0;  // clients
        std::size_t target = 0;
    };
    struct Figures : Count {
        std::map<std::string, Count> engines;
    };
    [[nodiscard]] Figures figures() const;
    // What sandboxes that are ready have to themselves. Looks at each.
    [[nodiscard]] std::uint64_t memory_of_ready() const;

private:
    SandboxKind* find_kind(const std::string& key);
    SandboxKind* kind_for(const Request& request, const std::string& plan, Zygote* zygote);
    void remove_oldest_kind();
    void drop_outdated(const SandboxKind& newest);
    void start_one(SandboxKind& kind);
    Result<PooledSandbox> start_fork(SandboxKind& kind, std::uint64_t number);
    Result<PooledSandbox> start_launch(SandboxKind& kind, std::uint64_t number);
    void ended(std::uint64_t number);
    // Looks at the memory of sandboxes that became ready since the last time; drops those beyond the bound.
    void look_at_memory();
    [[nodiscard]] bool is_room_for_one_more(const SandboxKind& kind) const;
    void make_room();
    void became_ready(std::uint64_t number);
    void hand_over(SandboxKind& kind);
    void drop_surplus(SandboxKind& kind);
    void forget(const PooledSandbox& spare);
    void forget_all(const SandboxKind& kind);
    // Drops the sandbox and counts a failure of its kind.
    void lose(std::uint64_t number, const std::string& reason);
    [[nodiscard]] std::size_t target_of(const SandboxKind& kind) const;
    [[nodiscard]] std::size_t waiting() const;
    // How many start of this kind and of all that start in the same way.
    [[nodiscard]] std::size_t starting_beside(const SandboxKind& kind) const;
    [[nodiscard]] std::size_t spares() const;

    EventLoop& loop_;
    Accounting& accounting_;
    Launchers& launchers_;
    std::list<SandboxKind> kinds_;
    std::uint64_t last_number_ = 0;
    std::size_t at_once_;
    Clock::time_point last_claim_;
    Clock::time_point tended_;
    Clock::time_point not_before_;  // no sandbox is made ahead before
    Clock::time_point looked_at_memory_;
    bool pressure_ = false;
    std::uint64_t spare_bytes_ = 0;
};

}  // namespace cellblock::sandbox::pool
