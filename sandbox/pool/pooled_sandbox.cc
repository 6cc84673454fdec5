// Making and giving away a sandbox.
#include "sandbox/pool/pooled_sandbox.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "sandbox/base/background.h"
#include "sandbox/base/files.h"
#include "sandbox/base/process.h"
#include "sandbox/jail/attendant.h"
#include "sandbox/jail/plan_bytes.h"
#include "sandbox/jail/report.h"
#include "sandbox/pool/protocol.h"
#include "sandbox/relay/launch.h"

namespace cellblock::sandbox::pool {

namespace {

constexpr std::chrono::seconds kTimeToLeave{5};

Limits limits_of(const Recipe& recipe) {
    Limits limits;
    limits.memory_bytes = recipe.memory_bytes;
    limits.processes = recipe.processes;
    limits.cpus = recipe.cpus;
    return limits;
}

// It waits in the sockets until there is a warden, and then a worker.
Result<WorkerSockets> start_configured(int warden, const Recipe& recipe) {
    auto worker = start_worker(warden, recipe.debugger);
    if (!worker) {
        return worker;
    }
    const std::string& frame = recipe.configure;
    const ssize_t sent =
        ::send(worker->worker.get(), frame.data(), frame.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent == static_cast<ssize_t>(frame.size()) ? std::move(worker) : errno_error("configure a worker");
}

}  // namespace

PooledSandbox::PooledSandbox(std::uint64_t number, bool is_jail)
    : number_(number), since_(Clock::now()), cgroup_(std::make_unique<jail::Cgroup>()), is_jail_(is_jail) {}

Result<PooledSandbox> PooledSandbox::make(std::uint64_t number, const Zygote& zygote, jail::JailPlan& plan,
                                          const Recipe& recipe, std::vector<UniqueFd>& theirs) {
    PooledSandbox spare(number, true);
    *spare.cgroup_ = jail::Cgroup::make(limits_of(recipe));
    jail::use_cgroup(plan, *spare.cgroup_);
    zygote.renew_identity(plan);
    CELLBLOCK_RETURN_IF_ERROR(jail::complete_filter(plan));
    CELLBLOCK_ASSIGN_OR_RETURN(auto attendant, jail::start_attendant(plan, zygote.user_namespace()));
    CELLBLOCK_ASSIGN_OR_RETURN(auto file, memory_file(jail::plan_to_bytes(plan)));
    CELLBLOCK_ASSIGN_OR_RETURN(auto ends, jail::make_ends());
    CELLBLOCK_ASSIGN_OR_RETURN(spare.worker_, start_configured(ends.warden.ours.get(), recipe));
    for (UniqueFd* fd : {&file, &ends.control.theirs, &ends.warden.theirs, &ends.output.ours,
                         &ends.output.theirs, &attendant}) {
        theirs.push_back(std::move(*fd));
    }
    jail::keep_ours(spare.jail_, std::move(ends));
    return spare;
}

Result<PooledSandbox> PooledSandbox::make_sockets(std::uint64_t number, const Recipe& recipe,
                                                  std::vector<UniqueFd>& theirs) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto sockets, relay::make_sockets());
    CELLBLOCK_ASSIGN_OR_RETURN(auto worker, start_configured(sockets.warden.get(), recipe));
    PooledSandbox spare(number, false);
    spare.worker_ = std::move(worker);
    spare.jail_.control = std::move(sockets.control);
    spare.jail_.warden = std::move(sockets.warden);
    theirs.push_back(std::move(sockets.their_warden));
    theirs.push_back(std::move(sockets.their_control));
    return spare;
}

PooledSandbox::~PooledSandbox() {
    jail_.control.reset();
    if (is_jail_ && cgroup_ && !given_) {
        run_in_background([process = std::make_shared<UniqueFd>(std::move(jail_.process)),
                           cgroup = std::shared_ptr<jail::Cgroup>(std::move(cgroup_))] {
            if (process->valid()) {
                (void)ends_within(process->get(), kTimeToLeave);
            }
            cgroup->remove_within(kTimeToLeave);  // a fork whose number wasn't told yet may just be joining
        });
    }
}

void PooledSandbox::was_forked(pid_t supervisor, UniqueFd process) {
    jail_.supervisor = supervisor;
    jail_.process = std::move(process);
}

Status PooledSandbox::was_launched(const LaunchReport& parts) {
    auto cgroup = jail::Cgroup::from_bytes(parts.cgroup);
    if (!cgroup || parts.spec.empty()) {
        return Error{"make a sandbox", 0, "its launcher's word can't be read", {}};
    }
    *cgroup_ = std::move(*cgroup);
    spec_ = parts.spec;
    return Ok{};
}

// Linux tells the end of a socket as an error if something lay unread in it, as `configure` does.
bool PooledSandbox::closed_without_output() const {
    char first = 0;
    const ssize_t size = ::recv(worker_.worker.get(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
    return size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR);
}

bool PooledSandbox::tells_why_it_wasnt_made() const {
    jail::Report report;
    const ssize_t size = ::recv(control(), &report, sizeof report, MSG_PEEK | MSG_DONTWAIT);
    return is_jail_ && size == static_cast<ssize_t>(sizeof report) &&
           report.kind == jail::ReportKind::setup_failed;
}

Status PooledSandbox::give_to(int client) {
    std::vector<int> numbers{jail_.process.get(), jail_.control.get(), jail_.warden.get(),
                             worker_.worker.get()};
    if (worker_.debugger.valid()) {
        numbers.push_back(worker_.debugger.get());
    }
    const Given given{jail_.supervisor, cgroup_->to_bytes(), spec_};
    auto sent = send_message(client, kGiven + to_bytes(given), numbers);
    given_ = sent.ok();
    return sent;
}

}  // namespace cellblock::sandbox::pool
