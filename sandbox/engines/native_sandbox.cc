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

// In the plan, from which the jail's first process joins them and the supervisor removes them.
void use_cgroup(jail::JailPlan& plan, const jail::Cgroup& cgroup) {
    plan.cgroup_procs = cgroup.procs_files();
    plan.cgroup_folders = cgroup.folders();
}

Result<jail::SpawnedJail> start_warm(const Policy& policy, const jail::JailPlan& plan,
                                     const jail::PythonHome& python, const std::string& worker_folder) {
    const auto spec = daemon::spec_for(policy, plan, python, worker_folder);
    return spec ? daemon::claim_jail(plan, *spec) : Result<jail::SpawnedJail>(spec.error());
}

}  // namespace

Result<std::unique_ptr<Sandbox>> start_jail(const Policy& policy, const PlanMaker& make_plan, Warmth warmth) {
    auto worker = worker_directory();
    if (!worker) {
        return worker.error();
    }
    auto python = jail::find_python(policy.python);
    if (!python) {
        return python.error();
    }
    auto cgroup = jail::Cgroup::make(policy.limits);
    auto made = make_plan(*python, *worker, !cgroup.limits_memory().empty());
    if (!made) {
        cgroup.remove();
        return made.error();
    }
    auto plan = std::move(*made);
    auto layers = jail::layers_of(*plan, cgroup);
    if (auto missing = missing_layer(policy.require, layers, policy.name)) {
        cgroup.remove();
        return *missing;
    }
    use_cgroup(*plan, cgroup);
    const bool warm = warmth == Warmth::as_policy_says && daemon::is_wanted(policy);
    auto spawned = warm ? start_warm(policy, *plan, *python, *worker) : jail::spawn_jail(*plan);
    if (warm && !spawned) {
        std::cerr << "cellblock: a cold start: " << spawned.error().text() << "\n";
        // A supervisor that comes too late removes the first ones.
        cgroup.remove();
        cgroup = jail::Cgroup::make(policy.limits);
        use_cgroup(*plan, cgroup);
        spawned = jail::spawn_jail(*plan);
    }
    if (!spawned) {
        cgroup.remove();
        return spawned.error();
    }
    return std::unique_ptr<Sandbox>(std::make_unique<NativeSandbox>(std::move(plan), std::move(cgroup),
                                                                    std::move(*spawned), std::move(layers)));
}

NativeSandbox::NativeSandbox(std::unique_ptr<jail::JailPlan> plan, jail::Cgroup cgroup,
                             jail::SpawnedJail spawned, std::vector<LayerState> layers)
    : plan_(std::move(plan)),
      cgroup_(std::move(cgroup)),
      spawned_(std::move(spawned)),
      layers_(std::move(layers)) {}

SandboxUsage NativeSandbox::usage() const {
    const SandboxUsage usage = cgroup_.usage();
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
