// A running sandbox that is reached through a relay.
//
// Ownership: of the relay's process (which may be the daemon's child) and of the control groups that were
// made for it. Threads, failure: as engine.h says.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "sandbox/api/engine.h"
#include "sandbox/jail/cgroup.h"
#include "sandbox/jail/cgroup_usage.h"
#include "sandbox/relay/launch.h"

namespace cellblock::sandbox {

struct RelayedFacts {
    std::vector<LayerState> layers;
    bool children = false;  // its processes are the relay's descendants, so their use can be told
    std::string remedy;
};

class RelayedSandbox : public Sandbox {
public:
    // `worker`: the sockets of a worker that was started already, in a sandbox that the daemon gave.
    RelayedSandbox(relay::RelayProcess relay, relay::Spec spec, jail::Cgroup cgroup, RelayedFacts facts,
                   WorkerSockets worker = {})
        : relay_(std::move(relay)),
          spec_(std::move(spec)),
          cgroup_(std::move(cgroup)),
          usage_(cgroup_, jail::CgroupUsage::Inner::some),
          facts_(std::move(facts)),
          worker_(std::move(worker)) {}
    ~RelayedSandbox() override;
    RelayedSandbox(const RelayedSandbox&) = delete;
    RelayedSandbox& operator=(const RelayedSandbox&) = delete;

    [[nodiscard]] int warden_fd() const override { return relay_.warden.get(); }
    WorkerSockets take_worker() override { return std::exchange(worker_, {}); }
    void kill() override;
    // A socket over which connections come as descriptors.
    [[nodiscard]] Result<UniqueFd> listener() const override;
    [[nodiscard]] SandboxUsage usage() const override;
    [[nodiscard]] std::vector<LayerState> layers() const override { return facts_.layers; }
    [[nodiscard]] std::string death_reason() const override;
    [[nodiscard]] std::string remedy() const override { return facts_.remedy; }
    std::string last_words() override;

private:
    // Takes it from the control socket, if it is the next message there.
    bool take_door() const;

    relay::RelayProcess relay_;
    relay::Spec spec_;  // what is to be cleared away, should the relay be killed
    jail::Cgroup cgroup_;
    jail::CgroupUsage usage_;
    RelayedFacts facts_;
    WorkerSockets worker_;  // until it is taken
    mutable UniqueFd door_;
};

}  // namespace cellblock::sandbox
