// A sandbox that was claimed of the daemon.
//
// Purpose: what engines have in common while they wait for one, and when there
// is none: a cold start, and a line on stderr.
// Ownership: of the claim. Threads, failure: as Coming of engine.h.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "sandbox/api/engine.h"
#include "sandbox/engines/pool_client.h"

namespace cellblock::sandbox {

class ClaimedStart : public Coming {
public:
    explicit ClaimedStart(pool::Claim claim) : claim_(std::move(claim)) {}

    [[nodiscard]] int fd() const override { return claim_.fd(); }
    [[nodiscard]] std::chrono::steady_clock::time_point due() const override { return claim_.due(); }
    std::optional<Result<std::unique_ptr<Sandbox>>> take() override;
    Result<std::unique_ptr<Sandbox>> instead() override;

protected:
    // What was given, as a sandbox.
    virtual Result<std::unique_ptr<Sandbox>> use(pool::GivenSandbox given) = 0;
    virtual Result<std::unique_ptr<Sandbox>> start_cold() = 0;

    Result<std::unique_ptr<Sandbox>> go_cold(const std::string& reason);

private:
    pool::Claim claim_;
};

}  // namespace cellblock::sandbox
