// One running jail, seen from the host.
//
// Ownership: of the supervisor process, the sockets and (should the supervisor
// be killed) the cgroups. Threads, failure: as engine.h says.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "sandbox/engine.h"
#include "sandbox/jail/cgroup.h"
#include "sandbox/jail/cgroup_usage.h"
#include "sandbox/jail/plan.h"
#include "sandbox/jail/python_home.h"
#include "sandbox/jail/report.h"
#include "sandbox/jail/spawn.h"

namespace cellblock::sandbox {

class NativeSandbox : public Sandbox {
public:
    NativeSandbox(std::unique_ptr<jail::JailPlan> plan, jail::Cgroup cgroup, jail::SpawnedJail spawned,
                  WorkerSockets worker, std::vector<LayerState> layers);
    ~NativeSandbox() override;
    NativeSandbox(const NativeSandbox&) = delete;
    NativeSandbox& operator=(const NativeSandbox&) = delete;

    [[nodiscard]] int warden_fd() const override { return spawned_.warden.get(); }
    WorkerSockets take_worker() override { return std::exchange(worker_, {}); }
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
    jail::CgroupUsage usage_;
    jail::SpawnedJail spawned_;
    WorkerSockets worker_;  // until it is taken
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

// Starts the jail that `make_plan` gives for the policy's Python, where all layers stand that the policy
// requires; else nothing is left behind.
Result<std::unique_ptr<Sandbox>> start_jail(const Policy& policy, const PlanMaker& make_plan);

// The same, as a fork of a warm Python of the daemon's. Null: it has to be a cold start, and stderr tells
// why.
Result<std::unique_ptr<Coming>> claim_jail(const Policy& policy, PlanMaker make_plan,
                                           const StartOptions& options);

}  // namespace cellblock::sandbox
