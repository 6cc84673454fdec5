// One running jail, seen from the host.
//
// Ownership: of the supervisor process, the sockets and (should the supervisor
// be killed) the cgroups. Threads, failure: as engine.h says.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "sandbox/engine.h"
#include "sandbox/jail/cgroup.h"
#include "sandbox/jail/plan.h"
#include "sandbox/jail/python_home.h"
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

using PlanMaker = std::function<Result<std::unique_ptr<jail::JailPlan>>(
    const jail::PythonHome& python, const std::string& worker_folder, bool memory_is_limited)>;

enum class Warmth { always_cold, as_policy_says };

// Starts the jail that `make_plan` gives for the policy's Python, where all layers stand that the policy
// requires; else nothing is left behind. A warm one that can't be had is a cold one, and a line on stderr.
Result<std::unique_ptr<Sandbox>> start_jail(const Policy& policy, const PlanMaker& make_plan, Warmth warmth);

}  // namespace cellblock::sandbox
