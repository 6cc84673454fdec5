// An engine that is a template: a command that starts a sandbox.
//
// Purpose: fills the template from the policy and starts the command under a relay. Ownership, threads,
// failure: as engine.h says.
#pragma once

#include <string>
#include <vector>

#include "sandbox/api/engine.h"
#include "sandbox/engines/pool_client.h"
#include "sandbox/engines/template.h"
#include "sandbox/engines/template_start.h"

namespace cellblock::sandbox {

class CommandEngine : public Engine {
public:
    explicit CommandEngine(EngineTemplate from) : template_(std::move(from)) {}

    [[nodiscard]] std::string name() const override { return template_.name; }
    [[nodiscard]] Status check(const Policy& policy) override;
    [[nodiscard]] EngineFacts facts() const override;
    std::unique_ptr<PendingSandbox> take_ready(const Policy& policy, const StartOptions& options) override;
    Result<int> clean(const std::string& destination) override;
    // Where the policy wants it warm, the sandbox is one of the daemon's. Where the daemon gives none, the
    // start is cold and standard error says why.
    Result<std::unique_ptr<Sandbox>> start(const Policy& policy, const StartOptions& options) override;
    Result<std::unique_ptr<PendingSandbox>> begin(const Policy& policy, const StartOptions& options) override;

    // A start but for the relay, which the calling process is to be (launcher_program.h).
    Result<TemplateStart::Launch> prepare(const Policy& policy, const StartOptions& options);

private:
    class ClaimedContainer;

    // A program that is installed need not work: starts a sandbox and waits for its first byte.
    Status try_start(const Policy& policy);
    Result<std::unique_ptr<Sandbox>> start_cold(const Policy& policy, const StartOptions& options);
    Result<std::unique_ptr<Sandbox>> sandbox_of(pool::GivenSandbox given, relay::Spec spec,
                                                const Policy& policy) const;

    EngineTemplate template_;
};

// The environment for an engine's command, of `all` (as environ): without variables that only tell one
// session of a user from another (JPY_..., SSH_TTY), unless the policy passes these on. Sorted.
std::vector<std::string> environment_for(const Policy& policy, char* const* all);

}  // namespace cellblock::sandbox
