// Sandboxes of one kind, and the clients that wait for one.
//
// Purpose: sandboxes of one kind can stand in for each other. A kind is a zygote, a plan and a recipe, or
// another engine's launch order and a recipe. Ownership: of its sandboxes, and of the sockets of clients that
// wait. Threads: one. Failure: waiting clients are told why they have to start cold.
#pragma once

#include <chrono>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "sandbox/api/unique_fd.h"
#include "sandbox/pool/launchers.h"
#include "sandbox/pool/pooled_sandbox.h"
#include "sandbox/pool/zygote.h"

namespace cellblock::sandbox::pool {

struct SandboxKind {
    using Clock = std::chrono::steady_clock;

    struct Waiting {
        UniqueFd client;
        Clock::time_point since;
    };

    std::string key;
    std::string family;        // the same for kinds that differ only in what lies on disk
    Zygote* zygote = nullptr;  // for jails, together with `plan`
    std::unique_ptr<jail::JailPlan> plan;
    std::optional<LaunchOrderFile> order;  // for another engine's sandboxes
    Recipe recipe;
    std::deque<Waiting> waiting;
    std::deque<Clock::time_point> claims;  // of the last seconds
    Clock::time_point used;
    std::list<PooledSandbox> starting;
    std::list<PooledSandbox> ready;
    int failures = 0;            // since a ready sandbox was given
    std::uint64_t each_has = 0;  // bytes of memory of one sandbox, as last seen

    [[nodiscard]] std::string engine() const { return order ? order->order.engine : "native"; }
    [[nodiscard]] std::chrono::milliseconds patience() const {
        return std::chrono::milliseconds(recipe.patience);
    }
    [[nodiscard]] std::size_t spares() const { return starting.size() + ready.size(); }
    // So many starts failed that only a claim tries again.
    [[nodiscard]] bool fails() const;
    // Counts a failure; once the kind fails(), all waiting clients are told the reason.
    void failed(const std::string& reason);
    // A claim also lets a kind that fails() be tried once more.
    void note_claim(Clock::time_point now);
    // How many are to be ready: as many as the policy wants, or as were claimed lately.
    [[nodiscard]] std::size_t target(Clock::time_point now) const;
    void refuse_all(const std::string& reason);
};

}  // namespace cellblock::sandbox::pool
