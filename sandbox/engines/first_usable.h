// The first usable engine of a list: `"engine": ["runsc", "native"]`.
//
// Purpose: each engine is held against the policy, so that none is chosen that is weaker than `require` and
// the limits allow. The choice stays for the session. A sandbox of the first engine that is ready in the
// daemon's pool is proof enough that the engine works. Ownership: of the engines. Threads, failure: as
// engine.h says; an Error names for each engine why it isn't usable.
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
    Result<std::unique_ptr<PendingSandbox>> begin(const Policy& policy, const StartOptions& options) override;
    void note_imports(const Policy& policy, const std::vector<std::string>& names) override {
        engines_[at_]->note_imports(policy, names);
    }

private:
    std::vector<std::unique_ptr<Engine>> engines_;
    std::size_t at_ = 0;
    bool found_ = false;
};

}  // namespace cellblock::sandbox
