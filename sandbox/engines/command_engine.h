// An engine made of a template.
//
// Purpose: fills the template from the policy, starts the command under a relay.
// Ownership, threads, failure: as engine.h says.
#pragma once

#include <string>

#include "sandbox/api/engine.h"
#include "sandbox/engines/command_claim.h"
#include "sandbox/engines/template.h"
#include "sandbox/engines/template_start.h"

namespace cellblock::sandbox {

class CommandEngine : public Engine {
public:
    explicit CommandEngine(EngineTemplate made) : template_(std::move(made)) {}

    [[nodiscard]] std::string name() const override { return template_.name; }
    [[nodiscard]] Status check(const Policy& policy) override;
    [[nodiscard]] EngineFacts facts() const override;
    std::unique_ptr<Sandbox> take_ready(const Policy& policy, const StartOptions& options) override;
    Result<int> clean(const std::string& destination) override;
    // Where the policy wants it warm, one of the daemon's; what can't be had there is a cold start, and a
    // line on stderr.
    Result<std::unique_ptr<Sandbox>> start(const Policy& policy, const StartOptions& options) override;
    Result<std::unique_ptr<Coming>> begin(const Policy& policy, const StartOptions& options) override;

    // A start but for the relay, which the caller is to be.
    Result<TemplateStart::Made> make(const Policy& policy, const StartOptions& options);

private:
    class Claimed;

    // A program that is here need not work: a sandbox's first sign of life tells.
    Status try_start(const Policy& policy);
    Result<std::unique_ptr<Sandbox>> start_cold(const Policy& policy, const StartOptions& options);
    Result<std::unique_ptr<Sandbox>> sandbox_of(pool::MadeSandbox made, const Policy& policy) const;

    EngineTemplate template_;
};

}  // namespace cellblock::sandbox
