// Making and giving away a sandbox.
#include "sandbox/daemon/spare.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <array>
#include <utility>

#include "sandbox/daemon/message.h"
#include "sandbox/jail/plan_bytes.h"

namespace cellblock::sandbox::daemon {

namespace {

Limits limits_of(const Recipe& recipe) {
    Limits limits;
    limits.memory_bytes = recipe.memory_bytes;
    limits.processes = recipe.processes;
    limits.cpus = recipe.cpus;
    return limits;
}

Status configure(int worker, const std::string& frame) {
    const ssize_t sent = ::send(worker, frame.data(), frame.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent == static_cast<ssize_t>(frame.size()) ? Status(Ok{}) : errno_error("configure a worker");
}

}  // namespace

Spare::Spare(std::uint64_t number, jail::Cgroup cgroup, WorkerSockets worker)
    : number_(number),
      since_(Clock::now()),
      cgroup_(std::make_unique<jail::Cgroup>(std::move(cgroup))),
      worker_(std::move(worker)) {}

Result<Spare> Spare::make(std::uint64_t number, jail::JailPlan& plan, const Recipe& recipe,
                          std::vector<UniqueFd>& theirs) {
    Spare spare(number, jail::Cgroup::make(limits_of(recipe)), {});
    jail::use_cgroup(plan, *spare.cgroup_);
    jail::renew_identity(plan);
    if (auto complete = jail::complete_filter(plan); !complete) {
        return complete.error();
    }
    auto file = as_file(jail::plan_to_bytes(plan));
    if (!file) {
        return file.error();
    }
    auto ends = jail::make_ends();
    if (!ends) {
        return ends.error();
    }
    // They wait in the sockets until there is a warden, and then a worker.
    auto worker = start_worker(ends->warden.ours.get(), recipe.debugger);
    if (!worker) {
        return worker.error();
    }
    if (auto sent = configure(worker->worker.get(), recipe.configure); !sent) {
        return sent.error();
    }
    spare.worker_ = std::move(*worker);
    for (UniqueFd* fd :
         {&*file, &ends->control.theirs, &ends->warden.theirs, &ends->output.ours, &ends->output.theirs}) {
        theirs.push_back(std::move(*fd));
    }
    jail::keep_ours(spare.jail_, std::move(*ends));
    return spare;
}

Spare::~Spare() {
    jail_.control.reset();
    if (cgroup_ && !given_ && jail_.supervisor <= 0) {
        cgroup_->remove();
    }
}

void Spare::was_forked(pid_t supervisor, UniqueFd process) {
    jail_.supervisor = supervisor;
    jail_.process = std::move(process);
}

Status Spare::give_to(int client) {
    std::vector<int> numbers{jail_.process.get(), jail_.control.get(), jail_.warden.get(),
                             worker_.worker.get()};
    if (worker_.debugger.valid()) {
        numbers.push_back(worker_.debugger.get());
    }
    const Given given{jail_.supervisor, cgroup_->to_bytes()};
    auto sent = send_message(client, kGiven + to_bytes(given), numbers);
    given_ = sent.ok();
    return sent;
}

Result<UniqueFd> as_file(const std::string& bytes) {
    UniqueFd file(::memfd_create("plan", MFD_CLOEXEC));
    if (!file.valid() ||
        ::write(file.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
        return errno_error("write the plan");
    }
    return file;
}

}  // namespace cellblock::sandbox::daemon
