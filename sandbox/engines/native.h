// The native engine: a jail made of the kernel's own parts.
//
// Purpose: namespaces, a root of its own, no capability, a system call filter,
// resource limits and cgroups, for root and for an ordinary user alike. What
// each layer does and doesn't stop is told in jail/README.md.
// Ownership, threads, failure: as engine.h says.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sandbox/api/engine.h"

namespace cellblock::sandbox {

class NativeEngine : public Engine {
public:
    NativeEngine() = default;
    ~NativeEngine() override;
    NativeEngine(const NativeEngine&) = delete;
    NativeEngine& operator=(const NativeEngine&) = delete;

    [[nodiscard]] std::string name() const override { return "native"; }
    [[nodiscard]] EngineFacts facts() const override;
    [[nodiscard]] Status check(const Policy& policy) override;
    Result<std::unique_ptr<Sandbox>> start(const Policy& policy, const StartOptions& options) override;
    // Where the policy wants it warm, a sandbox of the daemon's.
    Result<std::unique_ptr<PendingSandbox>> begin(const Policy& policy, const StartOptions& options) override;
    void note_imports(const Policy& policy, const std::vector<std::string>& names) override;

private:
    void tell_imports();

    std::string python_;                // the policy's, once it was looked for
    std::vector<std::string> imports_;  // that no daemon was told yet
};

}  // namespace cellblock::sandbox
