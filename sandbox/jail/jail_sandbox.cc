// A running jail.
#include "sandbox/jail/jail_sandbox.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>

#include "sandbox/base/background.h"
#include "sandbox/base/process.h"
#include "sandbox/base/resources.h"
#include "sandbox/base/socket.h"
#include "sandbox/base/text.h"
#include "sandbox/jail/error_messages.h"
#include "sandbox/jail/layers.h"
#include "sandbox/jail/overlay_refresh.h"
#include "sandbox/jail/process_usage.h"

namespace cellblock::sandbox::jail {

namespace {

constexpr int kTimeToAnswer = 1000;  // milliseconds
constexpr int kMostReports = 64;     // read in a row; a jail sends three or four
constexpr std::chrono::seconds kTimeToLeave{5};

// A fork of a warm Python sends the descriptor, so it could be any that this has.
bool is_scratch_folder(int fd) {
    struct stat info {};
    struct statfs system {};
    return ::fstat(fd, &info) == 0 && S_ISDIR(info.st_mode) && ::fstatfs(fd, &system) == 0 &&
           system.f_type == TMPFS_MAGIC;
}

bool listens(int fd) {
    int type = 0;
    int accepts = 0;
    socklen_t size = sizeof type;
    return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
           ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) == 0 && accepts == 1;
}

}  // namespace

Result<HostParts> find_host_parts(const Policy& policy) {
    auto files = python_directory();
    auto warden = warden_program();
    if (!files || !warden) {
        return files ? warden.error() : files.error();
    }
    CELLBLOCK_ASSIGN_OR_RETURN(auto python, find_python(policy.python));
    return HostParts{{std::move(*files), std::move(*warden)}, std::move(python)};
}

std::unique_ptr<Sandbox> adopt_jail(std::unique_ptr<JailPlan> plan, Cgroup cgroup, SpawnedJail jail,
                                    WorkerSockets worker) {
    auto layers = layers_of(*plan, cgroup);
    return std::make_unique<JailSandbox>(std::move(plan), std::move(cgroup), std::move(jail),
                                         std::move(worker), std::move(layers));
}

Result<std::unique_ptr<Sandbox>> start_jail(const Policy& policy, const PlanMaker& make_plan) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto parts, find_host_parts(policy));
    auto cgroup = Cgroup::make(policy.limits);
    const auto failed = [&](Error error) -> Result<std::unique_ptr<Sandbox>> {
        cgroup.remove();
        return error;
    };
    auto plan = make_plan(parts.python, parts.own, !cgroup.limits_memory().empty());
    if (!plan) {
        return failed(plan.error());
    }
    if (auto missing = missing_layer(policy.require, layers_of(**plan, cgroup), policy.name)) {
        return failed(std::move(*missing));
    }
    if (auto complete = complete_filter(**plan); !complete) {
        return failed(complete.error());
    }
    use_cgroup(**plan, cgroup);
    auto spawned = spawn_jail(**plan);
    if (!spawned) {
        return failed(spawned.error());
    }
    return adopt_jail(std::move(*plan), std::move(cgroup), std::move(*spawned), {});
}

JailSandbox::JailSandbox(std::unique_ptr<JailPlan> plan, Cgroup cgroup, SpawnedJail spawned,
                         WorkerSockets worker, std::vector<LayerState> layers)
    : plan_(std::move(plan)),
      cgroup_(std::move(cgroup)),
      usage_(cgroup_, CgroupUsage::Inner::none),
      spawned_(std::move(spawned)),
      worker_(std::move(worker)),
      layers_(std::move(layers)) {}

SandboxUsage JailSandbox::usage() const {
    const SandboxUsage usage = usage_.now();
    return usage.measured ? usage : usage_below(spawned_.supervisor);
}

JailSandbox::~JailSandbox() {
    // The supervisor kills, waits, removes the cgroups and leaves. The plan holds the lock of the folder.
    spawned_.control.reset();
    run_in_background([process = std::make_shared<UniqueFd>(std::move(spawned_.process)),
                       pid = spawned_.supervisor, cgroup = cgroup_,
                       plan = std::shared_ptr<JailPlan>(std::move(plan_))] {
        if (!ends_within(process->get(), kTimeToLeave)) {
            // Its jail dies with it.
            ::syscall(SYS_pidfd_send_signal, process->get(), SIGKILL, nullptr, 0);
            (void)ends_within(process->get(), kTimeToLeave);
        }
        (void)::waitpid(pid, nullptr, WNOHANG);  // the daemon's aren't our children
        cgroup.remove_within(kTimeToLeave);      // on a busy machine its last processes take a while to go
        if (!plan->box.empty()) {                // if the supervisor could not
            std::error_code ignored;
            std::filesystem::remove_all(plan->box, ignored);
        }
    });
}

Result<UniqueFd> JailSandbox::changes() const {
    const char* const step = "look at what cells write";
    if (!plan_->box.empty()) {
        UniqueFd folder(
            ::open(plan_->working_directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        return folder.valid() ? Result(std::move(folder)) : errno_error(step);
    }
    for (int i = 0; i < kMostReports && !changes_.valid() && receive(0); ++i) {
    }
    if (!changes_.valid()) {
        return Error{step, no_changes_, no_changes_ == 0 ? "the sandbox has shown no folder" : "", {}};
    }
    UniqueFd folder(::fcntl(changes_.get(), F_DUPFD_CLOEXEC, 0));
    return folder.valid() ? Result(std::move(folder)) : errno_error(step);
}

Result<std::vector<SeenFile>> JailSandbox::see_host_changes(const std::vector<std::string>& files) const {
    for (int i = 0; i < kMostReports && !mounts_.valid() && receive(0); ++i) {
    }
    if (!mounts_.valid()) {
        return Error{"show what the host has changed", 0, "the sandbox has no overlay", {}};
    }
    std::vector<std::string> overlays;
    for (const auto& step : plan_->files) {
        if (step.kind == FileStepKind::overlay) {
            overlays.push_back("/" + step.target);
        }
    }
    return refresh_overlays(mounts_.get(), overlays, files);
}

Result<UniqueFd> JailSandbox::listener() const {
    for (int i = 0; i < kMostReports && !listener_.valid() && receive(0); ++i) {
    }
    UniqueFd copy(listener_.valid() ? ::fcntl(listener_.get(), F_DUPFD_CLOEXEC, 0) : -1);
    return copy.valid() ? Result(std::move(copy))
                        : Error{"find the sandbox's way out", 0, "it has shown none", {}};
}

void JailSandbox::kill() {
    ask(kKillRequest);
}

void JailSandbox::ask(char what) const {
    (void)::send(spawned_.control.get(), &what, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

bool JailSandbox::receive(int milliseconds) const {
    pollfd wanted{spawned_.control.get(), POLLIN, 0};
    if (::poll(&wanted, 1, milliseconds) <= 0) {
        return false;
    }
    Report report;
    UniqueFd folder;
    const auto received =
        receive_each_descriptor(spawned_.control.get(), {reinterpret_cast<char*>(&report), sizeof report},
                                [&](int fd) { folder = UniqueFd(fd); });
    if (received.size != static_cast<ssize_t>(sizeof report)) {
        lost_ = received.size >= 0 || errno != EAGAIN;
        return false;
    }
    if (report.kind == ReportKind::made) {
        no_changes_ = report.failure.error;
        if (is_scratch_folder(folder.get())) {
            changes_ = std::move(folder);
        }
        return true;
    }
    if (report.kind == ReportKind::listening) {
        if (listens(folder.get())) {
            listener_ = std::move(folder);
        }
        return true;
    }
    if (report.kind == ReportKind::mounted) {
        if (::ioctl(folder.get(), NS_GET_NSTYPE) == CLONE_NEWNS) {
            mounts_ = std::move(folder);
        }
        return true;
    }
    if (report.kind == ReportKind::setup_failed) {
        failure_ = report.failure;
        return true;
    }
    text_.assign(report.text, std::min(report.text_size, kTailBytes));
    ended_ = report.kind == ReportKind::ended;
    wait_status_ = report.wait_status;
    return true;
}

std::string JailSandbox::death_reason() const {
    for (int i = 0; i < kMostReports && !ended_ && receive(0); ++i) {
    }
    if (!ended_ && !lost_ && !failure_.happened()) {
        ask(kStateRequest);
        (void)receive(kTimeToAnswer);
    }
    if (failure_.happened()) {
        return setup_error(*plan_, failure_).text();
    }
    if (lost_ && !ended_) {
        return "the sandbox's supervisor was killed";
    }
    return ended_ ? describe_end(wait_status_, text_) : printable(text_);
}

}  // namespace cellblock::sandbox::jail
