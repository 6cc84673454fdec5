// A running jail.
#include "sandbox/engines/native_sandbox.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <iostream>

#include "sandbox/base/resources.h"
#include "sandbox/daemon/client.h"
#include "sandbox/jail/layers.h"
#include "sandbox/jail/process_usage.h"
#include "sandbox/jail/words.h"

namespace cellblock::sandbox {

namespace {

constexpr int kTimeToAnswer = 1000;  // milliseconds
constexpr int kTimeToLeave = 5000;

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

// Null: it has to be a cold start, and stderr tells why. The daemon's sandboxes have cgroups of their own,
// made where ours would be.
Result<std::unique_ptr<Sandbox>> start_warm(const Policy& policy, const PlanMaker& make_plan,
                                            const Parts& parts, const StartOptions& options) {
    const bool memory_is_limited = jail::Cgroup::would_limit_memory();
    auto plan = make_plan(parts.python, parts.worker, memory_is_limited);
    if (!plan) {
        return plan.error();
    }
    jail::forget_identity(**plan);
    auto claimed = daemon::claim(policy, options, **plan, parts.python, parts.worker);
    if (const auto* none = std::get_if<daemon::NoneMore>(&claimed)) {
        return none->error;
    }
    auto* warm = std::get_if<daemon::GivenSandbox>(&claimed);
    if (warm == nullptr || warm->cgroup.limits_memory().empty() == memory_is_limited) {
        std::cerr << "cellblock: a cold start: "
                  << (warm != nullptr ? "the daemon has other control groups than were expected"
                                      : std::get<daemon::ColdStart>(claimed).reason)
                  << "\n";
        return std::unique_ptr<Sandbox>();
    }
    auto missing = missing_layer(policy.require, jail::layers_of(**plan, warm->cgroup), policy.name);
    jail::SpawnedJail spawned{warm->supervisor, std::move(warm->process), std::move(warm->control),
                              std::move(warm->warden)};
    auto sandbox =
        sandbox_of({std::move(*plan), std::move(warm->cgroup), std::move(spawned), std::move(warm->worker)});
    return missing ? Result<std::unique_ptr<Sandbox>>(std::move(*missing))
                   : Result<std::unique_ptr<Sandbox>>(std::move(sandbox));
}

}  // namespace

Result<std::unique_ptr<Sandbox>> start_jail(const Policy& policy, const PlanMaker& make_plan,
                                            const StartOptions* warm) {
    auto worker = worker_directory();
    if (!worker) {
        return worker.error();
    }
    auto python = jail::find_python(policy.python);
    if (!python) {
        return python.error();
    }
    const Parts parts{std::move(*worker), std::move(*python)};
    if (warm != nullptr && daemon::is_wanted(policy)) {
        auto sandbox = start_warm(policy, make_plan, parts, *warm);
        if (!sandbox || *sandbox != nullptr) {
            return sandbox;
        }
    }
    return start_cold(policy, make_plan, parts);
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
    // The supervisor kills, waits, removes the cgroups and leaves.
    spawned_.control.reset();
    pollfd left{spawned_.process.get(), POLLIN, 0};
    int ready = 0;
    do {
        ready = ::poll(&left, 1, kTimeToLeave);
    } while (ready < 0 && errno == EINTR);
    if (ready <= 0) {
        ::kill(spawned_.supervisor, SIGKILL);  // its jail dies with it
    }
    while (::waitpid(spawned_.supervisor, nullptr, 0) < 0 && errno == EINTR) {
    }
    cgroup_.remove();
    if (!plan_->box.empty()) {  // if the supervisor could not
        std::error_code ignored;
        std::filesystem::remove_all(plan_->box, ignored);
    }
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
