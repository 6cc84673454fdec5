// An engine made of a template.
//
// Purpose: fills the template from the policy, starts the command under a relay.
// Ownership, threads, failure: as engine.h says.
#pragma once

#include <string>

#include "sandbox/engine.h"
#include "sandbox/engines/template.h"

namespace cellblock::sandbox {

class CommandEngine : public Engine {
public:
    explicit CommandEngine(EngineTemplate made) : template_(std::move(made)) {}

    [[nodiscard]] std::string name() const override { return template_.name; }
    [[nodiscard]] Status check(const Policy& policy) override;
    [[nodiscard]] EngineFacts facts() const override;
    Result<int> clean(const std::string& destination) override;
    Result<std::unique_ptr<Sandbox>> start(const Policy& policy, const StartOptions& options) override;

private:
    // A program that is here need not work: a sandbox's first sign of life tells.
    Status try_start(const Policy& policy);

    EngineTemplate template_;
};

}  // namespace cellblock::sandbox
