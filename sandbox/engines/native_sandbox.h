// One running jail, seen from the host.
//
// Ownership: of the supervisor process, the sockets and (should the supervisor
// be killed) the cgroups. Threads, failure: as engine.h says.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "sandbox/daemon/request.h"
#include "sandbox/engine.h"
#include "sandbox/jail/cgroup.h"
#include "sandbox/jail/plan.h"
#include "sandbox/jail/report.h"
#include "sandbox/jail/spawn.h"

namespace cellblock::sandbox {

class NativeSandbox : public Sandbox {
public:
    NativeSandbox(std::unique_ptr<jail::JailPlan> plan, jail::Cgroup cgroup, jail::SpawnedJail spawned,
                  std::vector<LayerState> layers);
    ~NativeSandbox() override;
    NativeSandbox(const NativeSandbox&) = delete;
    NativeSandbox& operator=(const NativeSandbox&) = delete;

    [[nodiscard]] int warden_fd() const override { return spawned_.warden.get(); }
    void kill() override;
    [[nodiscard]] SandboxUsage usage() const override;
    [[nodiscard]] std::string death_reason() const override;
    [[nodiscard]] std::vector<LayerState> layers() const override { return layers_; }

private:
    void ask(char what) const;
    // Takes one report; false if none came in time or none will.
    bool receive(int milliseconds) const;

    std::unique_ptr<jail::JailPlan> plan_;
    jail::Cgroup cgroup_;
    jail::SpawnedJail spawned_;
    std::vector<LayerState> layers_;
    // What the supervisor has told so far; asked for when it is wanted.
    mutable jail::Failure failure_;
    mutable bool ended_ = false;
    mutable bool lost_ = false;  // the supervisor is gone
    mutable int wait_status_ = 0;
    mutable std::string text_;
};

// Starts the jail where all layers stand that the policy requires; else nothing is left behind.
// `warm`: a fork of that Python if it can be had; why not, else, is a line on stderr.
Result<std::unique_ptr<Sandbox>> jail_sandbox(const Policy& policy, std::unique_ptr<jail::JailPlan> plan,
                                              jail::Cgroup cgroup,
                                              const std::optional<Result<daemon::ZygoteSpec>>& warm = {});

}  // namespace cellblock::sandbox
