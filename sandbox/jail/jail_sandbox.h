// A running jail as a Sandbox, and what starts one.
//
// Ownership: a JailSandbox owns the supervisor process, the sockets, and the control groups should the
// supervisor be killed; its destructor ends the jail. Threads, failure: as engine.h says.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "sandbox/api/engine.h"
#include "sandbox/jail/cgroup.h"
#include "sandbox/jail/cgroup_usage.h"
#include "sandbox/jail/plan.h"
#include "sandbox/jail/python_home.h"
#include "sandbox/jail/report.h"
#include "sandbox/jail/spawn.h"

namespace cellblock::sandbox::jail {

class JailSandbox : public Sandbox {
public:
    JailSandbox(std::unique_ptr<JailPlan> plan, Cgroup cgroup, SpawnedJail spawned, WorkerSockets worker,
                std::vector<LayerState> layers);
    ~JailSandbox() override;
    JailSandbox(const JailSandbox&) = delete;
    JailSandbox& operator=(const JailSandbox&) = delete;

    [[nodiscard]] int warden_fd() const override { return spawned_.warden.get(); }
    WorkerSockets take_worker() override { return std::exchange(worker_, {}); }
    [[nodiscard]] Result<UniqueFd> changes() const override;
    [[nodiscard]] Result<std::vector<SeenFile>> see_host_changes(
        const std::vector<std::string>& files) const override;
    [[nodiscard]] Result<UniqueFd> listener() const override;
    void kill() override;
    [[nodiscard]] SandboxUsage usage() const override;
    [[nodiscard]] std::string death_reason() const override;
    [[nodiscard]] std::vector<LayerState> layers() const override { return layers_; }

private:
    void ask(char what) const;
    // Takes one report; false if none came in time or none will.
    bool receive(int milliseconds) const;

    std::unique_ptr<JailPlan> plan_;
    Cgroup cgroup_;
    CgroupUsage usage_;
    SpawnedJail spawned_;
    WorkerSockets worker_;  // until it is taken
    std::vector<LayerState> layers_;
    // The supervisor's reports so far. death_reason() asks for it.
    mutable Failure failure_;
    mutable bool ended_ = false;
    mutable bool lost_ = false;  // the supervisor is gone
    mutable int wait_status_ = 0;
    mutable std::string text_;
    mutable UniqueFd changes_;
    mutable int no_changes_ = 0;  // errno: why the jail could not send them
    mutable UniqueFd mounts_;     // where the plan has overlays
    mutable UniqueFd listener_;   // where the policy has a network
};

using PlanMaker = std::function<Result<std::unique_ptr<JailPlan>>(
    const PythonHome& python, const OwnFiles& own, bool memory_is_limited)>;

// Starts the jail that `make_plan` gives for the policy's Python. Error, and nothing is left: no plan, or the
// host lacks a layer that the policy requires.
Result<std::unique_ptr<Sandbox>> start_jail(const Policy& policy, const PlanMaker& make_plan);

// The host's folders and files that all jails of a policy need.
struct HostParts {
    OwnFiles own;
    PythonHome python;
};
Result<HostParts> find_host_parts(const Policy& policy);

// A warm jail from the pool as a Sandbox.
std::unique_ptr<Sandbox> adopt_jail(std::unique_ptr<JailPlan> plan, Cgroup cgroup, SpawnedJail jail,
                                    WorkerSockets worker);

}  // namespace cellblock::sandbox::jail
