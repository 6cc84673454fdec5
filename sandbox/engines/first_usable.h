// Of several engines the first that is usable.
//
// Purpose: `"engine": ["runsc", "native"]`. Each is held against the policy, so
// none is taken that is weaker than `require` and the limits allow. What was
// found stays for the session. Of the first one a sandbox that was made ahead is proof enough. Ownership: of
// the engines. Threads, failure: as engine.h says; an Error names why each isn't usable.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sandbox/api/engine.h"

namespace cellblock::sandbox {

class FirstUsable : public Engine {
public:
    explicit FirstUsable(std::vector<std::unique_ptr<Engine>> engines) : engines_(std::move(engines)) {}

    [[nodiscard]] std::string name() const override { return engines_[at_]->name(); }
    [[nodiscard]] EngineFacts facts() const override { return engines_[at_]->facts(); }
    [[nodiscard]] Status check(const Policy& policy) override;
    Result<std::unique_ptr<Sandbox>> start(const Policy& policy, const StartOptions& options) override;
    Result<std::unique_ptr<Coming>> begin(const Policy& policy, const StartOptions& options) override;

private:
    std::vector<std::unique_ptr<Engine>> engines_;
    std::size_t at_ = 0;
    bool found_ = false;
};

}  // namespace cellblock::sandbox
