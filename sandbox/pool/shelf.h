// Sandboxes of one kind, and who waits for one.
//
// Purpose: a kind is a zygote, a plan and a recipe, or another engine's order and
// a recipe; one sandbox of it is as good as another. Ownership: of its spares, and of the sockets of clients
// that wait. Threads: one. Failure: clients are told why they have to start cold.
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

struct Shelf {
    using Clock = std::chrono::steady_clock;

    struct Waiting {
        UniqueFd client;
        Clock::time_point since;
    };

    std::string key;
    std::string family;        // of those that differ only in what lies on disk
    Zygote* zygote = nullptr;  // of jails, with a plan
    std::unique_ptr<jail::JailPlan> plan;
    std::optional<OrderFile> order;  // of another engine's
    Recipe recipe;
    std::deque<Waiting> waiting;
    std::deque<Clock::time_point> claims;  // of the last seconds
    Clock::time_point used;
    std::list<Spare> under_way;
    std::list<Spare> ready;
    int failures = 0;            // since one that was up was given
    std::uint64_t each_has = 0;  // bytes of memory, as was seen of one

    [[nodiscard]] std::string engine() const { return order ? order->order.engine : "native"; }
    [[nodiscard]] std::chrono::milliseconds patience() const {
        return std::chrono::milliseconds(recipe.patience);
    }
    [[nodiscard]] std::size_t spares() const { return under_way.size() + ready.size(); }
    // It was tried often enough: only a claim tries again.
    [[nodiscard]] bool fails() const;
    // One more failure; if that is enough, all who wait are told.
    void failed(const std::string& reason);
    // It makes one that fails be tried once more.
    void note_claim(Clock::time_point now);
    // How many are to be ready: what the policy wants, or as many as were claimed lately.
    [[nodiscard]] std::size_t target(Clock::time_point now) const;
    void refuse_all(const std::string& reason);
};

}  // namespace cellblock::sandbox::pool
