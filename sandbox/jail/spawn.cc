// Forking the supervisor.
#include "sandbox/jail/spawn.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "sandbox/base/process.h"
#include "sandbox/base/signals_held.h"
#include "sandbox/jail/enter.h"
#include "sandbox/jail/supervisor.h"

namespace cellblock::sandbox::jail {

namespace {

constexpr const char* kStep = "start a sandbox";

Result<Pair> raised(const int (&ends)[2]) {
    const UniqueFd first(ends[0]);
    const UniqueFd second(ends[1]);
    Pair pair{UniqueFd(::fcntl(ends[0], F_DUPFD_CLOEXEC, kFirstFree)),
              UniqueFd(::fcntl(ends[1], F_DUPFD_CLOEXEC, kFirstFree))};
    if (!pair.ours.valid() || !pair.theirs.valid()) {
        return errno_error(kStep);
    }
    return pair;
}

Result<Pair> output_pipe() {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        return errno_error(kStep);
    }
    // Of the reader alone: inside, writing to it is as usual.
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    return raised(ends);
}

}  // namespace

Result<Pair> socket_pair(int type) {
    int ends[2] = {-1, -1};
    if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0) {
        return errno_error(kStep);
    }
    return raised(ends);
}

Result<JailEnds> make_ends() {
    auto control = socket_pair(SOCK_SEQPACKET);
    auto warden = socket_pair(SOCK_STREAM);
    auto output = output_pipe();
    for (const auto* pair : {&control, &warden, &output}) {
        if (!*pair) {
            return pair->error();
        }
    }
    return JailEnds{std::move(*control), std::move(*warden), std::move(*output)};
}

void keep_ours(SpawnedJail& jail, JailEnds ends) {
    jail.control = std::move(ends.control.ours);
    jail.warden = std::move(ends.warden.ours);
    ::fcntl(jail.warden.get(), F_SETFL, O_NONBLOCK);
}

Result<SpawnedJail> spawn_jail(const JailPlan& plan) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto ends, make_ends());
    SpawnedJail jail;
    {
        const SignalsHeld held;
        jail.supervisor = ::_Fork();
        if (jail.supervisor == 0) {
            supervise(plan, {ends.control.theirs.get(), ends.warden.theirs.get(), ends.output.ours.get(),
                             ends.output.theirs.get()});
        }
    }
    if (jail.supervisor < 0) {
        return errno_error(kStep, "The limit on processes may be reached");
    }
    jail.process = open_pidfd(jail.supervisor);
    keep_ours(jail, std::move(ends));
    return jail;
}

}  // namespace cellblock::sandbox::jail
