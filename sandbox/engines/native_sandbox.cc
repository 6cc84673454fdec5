// A running jail.
#include "sandbox/engines/native_sandbox.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>

#include "sandbox/base/beside.h"
#include "sandbox/base/process_end.h"
#include "sandbox/base/resources.h"
#include "sandbox/daemon/client.h"
#include "sandbox/engines/claimed_start.h"
#include "sandbox/jail/layers.h"
#include "sandbox/jail/process_usage.h"
#include "sandbox/jail/words.h"

namespace cellblock::sandbox {

namespace {

constexpr int kTimeToAnswer = 1000;  // milliseconds
constexpr std::chrono::seconds kTimeToLeave{5};

// All that was made for a start, until it is a sandbox.
struct Start {
    std::unique_ptr<jail::JailPlan> plan;
    jail::Cgroup cgroup;
    jail::SpawnedJail jail;
    WorkerSockets worker;
};

// What a policy's jails are made by.
struct Parts {
    std::string worker;
    jail::PythonHome python;
};

std::unique_ptr<Sandbox> sandbox_of(Start start) {
    auto layers = jail::layers_of(*start.plan, start.cgroup);
    return std::make_unique<NativeSandbox>(std::move(start.plan), std::move(start.cgroup),
                                           std::move(start.jail), std::move(start.worker), std::move(layers));
}

Result<std::unique_ptr<Sandbox>> start_cold(const Policy& policy, const PlanMaker& make_plan,
                                            const Parts& parts) {
    Start start;
    start.cgroup = jail::Cgroup::make(policy.limits);
    const auto failed = [&](Error error) -> Result<std::unique_ptr<Sandbox>> {
        start.cgroup.remove();
        return error;
    };
    auto plan = make_plan(parts.python, parts.worker, !start.cgroup.limits_memory().empty());
    if (!plan) {
        return failed(plan.error());
    }
    start.plan = std::move(*plan);
    if (auto missing =
            missing_layer(policy.require, jail::layers_of(*start.plan, start.cgroup), policy.name)) {
        return failed(std::move(*missing));
    }
    if (auto complete = jail::complete_filter(*start.plan); !complete) {
        return failed(complete.error());
    }
    jail::use_cgroup(*start.plan, start.cgroup);
    auto spawned = jail::spawn_jail(*start.plan);
    if (!spawned) {
        return failed(spawned.error());
    }
    start.jail = std::move(*spawned);
    return sandbox_of(std::move(start));
}

Result<Parts> find_parts(const Policy& policy) {
    auto worker = worker_directory();
    if (!worker) {
        return worker.error();
    }
    auto python = jail::find_python(policy.python);
    if (!python) {
        return python.error();
    }
    return Parts{std::move(*worker), std::move(*python)};
}

// A jail that was claimed. The daemon's sandboxes have cgroups of their own, made where ours would be.
class Claimed : public ClaimedStart {
public:
    Claimed(const Policy& policy, PlanMaker make_plan, Parts parts, std::unique_ptr<jail::JailPlan> plan,
            bool memory_is_limited, daemon::Claim claim)
        : ClaimedStart(std::move(claim)),
          policy_(policy),
          make_plan_(std::move(make_plan)),
          parts_(std::move(parts)),
          plan_(std::move(plan)),
          memory_is_limited_(memory_is_limited) {}

protected:
    Result<std::unique_ptr<Sandbox>> start_cold() override {
        return sandbox::start_cold(policy_, make_plan_, parts_);
    }

    Result<std::unique_ptr<Sandbox>> use(daemon::GivenSandbox given) override {
        if (given.cgroup.limits_memory().empty() == memory_is_limited_) {
            return go_cold("the daemon has other control groups than were expected");
        }
        auto missing = missing_layer(policy_.require, jail::layers_of(*plan_, given.cgroup), policy_.name);
        jail::SpawnedJail spawned{given.supervisor, std::move(given.process), std::move(given.control),
                                  std::move(given.warden)};
        auto sandbox = sandbox_of(
            {std::move(plan_), std::move(given.cgroup), std::move(spawned), std::move(given.worker)});
        return missing ? Result<std::unique_ptr<Sandbox>>(std::move(*missing))
                       : Result<std::unique_ptr<Sandbox>>(std::move(sandbox));
    }

private:
    const Policy& policy_;
    PlanMaker make_plan_;
    Parts parts_;
    std::unique_ptr<jail::JailPlan> plan_;
    bool memory_is_limited_;
};

}  // namespace

Result<std::unique_ptr<Sandbox>> start_jail(const Policy& policy, const PlanMaker& make_plan) {
    auto parts = find_parts(policy);
    if (!parts) {
        return parts.error();
    }
    return start_cold(policy, make_plan, *parts);
}

Result<std::unique_ptr<Coming>> claim_jail(const Policy& policy, PlanMaker make_plan,
                                           const StartOptions& options) {
    auto parts = find_parts(policy);
    if (!parts) {
        return parts.error();
    }
    const bool memory_is_limited = jail::Cgroup::would_limit_memory();
    auto plan = make_plan(parts->python, parts->worker, memory_is_limited);
    if (!plan) {
        return plan.error();
    }
    jail::forget_identity(**plan);
    auto claim = daemon::claim(policy, options, **plan, parts->python, parts->worker);
    return std::unique_ptr<Coming>(std::make_unique<Claimed>(policy, std::move(make_plan), std::move(*parts),
                                                             std::move(*plan), memory_is_limited,
                                                             std::move(claim)));
}

NativeSandbox::NativeSandbox(std::unique_ptr<jail::JailPlan> plan, jail::Cgroup cgroup,
                             jail::SpawnedJail spawned, WorkerSockets worker, std::vector<LayerState> layers)
    : plan_(std::move(plan)),
      cgroup_(std::move(cgroup)),
      usage_(cgroup_, jail::CgroupUsage::Inner::none),
      spawned_(std::move(spawned)),
      worker_(std::move(worker)),
      layers_(std::move(layers)) {}

SandboxUsage NativeSandbox::usage() const {
    const SandboxUsage usage = usage_.now();
    return usage.measured ? usage : jail::usage_below(spawned_.supervisor);
}

NativeSandbox::~NativeSandbox() {
    // The supervisor kills, waits, removes the cgroups and leaves. The plan holds the lock of the folder.
    spawned_.control.reset();
    beside([process = std::make_shared<UniqueFd>(std::move(spawned_.process)), pid = spawned_.supervisor,
            cgroup = cgroup_, plan = std::shared_ptr<jail::JailPlan>(std::move(plan_))] {
        if (!ends_within(process->get(), kTimeToLeave)) {
            // Its jail dies with it.
            ::syscall(SYS_pidfd_send_signal, process->get(), SIGKILL, nullptr, 0);
            (void)ends_within(process->get(), kTimeToLeave);
        }
        (void)::waitpid(pid, nullptr, WNOHANG);  // the daemon's aren't our children
        cgroup.remove();
        if (!plan->box.empty()) {  // if the supervisor could not
            std::error_code ignored;
            std::filesystem::remove_all(plan->box, ignored);
        }
    });
}

void NativeSandbox::kill() {
    ask(jail::kKillRequest);
}

void NativeSandbox::ask(char what) const {
    (void)::send(spawned_.control.get(), &what, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

bool NativeSandbox::receive(int milliseconds) const {
    pollfd wanted{spawned_.control.get(), POLLIN, 0};
    if (::poll(&wanted, 1, milliseconds) <= 0) {
        return false;
    }
    jail::Report report;
    const ssize_t size = ::recv(spawned_.control.get(), &report, sizeof report, MSG_DONTWAIT);
    if (size != static_cast<ssize_t>(sizeof report)) {
        lost_ = size >= 0 || errno != EAGAIN;
        return false;
    }
    if (report.kind == jail::ReportKind::setup_failed) {
        failure_ = report.failure;
        return true;
    }
    text_.assign(report.text, std::min(report.text_size, jail::kTailBytes));
    ended_ = report.kind == jail::ReportKind::ended;
    wait_status_ = report.wait_status;
    return true;
}

std::string NativeSandbox::death_reason() const {
    while (!ended_ && receive(0)) {
    }
    if (!ended_ && !lost_ && !failure_.happened()) {
        ask(jail::kStateRequest);
        (void)receive(kTimeToAnswer);
    }
    if (failure_.happened()) {
        return jail::setup_error(*plan_, failure_).text();
    }
    if (lost_ && !ended_) {
        return "the sandbox's supervisor was killed";
    }
    return ended_ ? jail::end_in_words(wait_status_, text_) : jail::harmless(text_);
}

}  // namespace cellblock::sandbox
