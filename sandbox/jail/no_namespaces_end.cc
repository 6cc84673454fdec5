// Killing what can't be killed by its namespace.
#include "sandbox/jail/no_namespaces_end.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "sandbox/base/syscalls.h"
#include "sandbox/jail/landlock.h"

namespace cellblock::sandbox::jail {

namespace {

// All but the caller.
void signal_everybody(const JailPlan& plan) {
    if (!plan.identity.privileged) {
        ::kill(-1, SIGKILL);
        return;
    }
    const pid_t killer = ::_Fork();
    if (killer == 0) {
        if (become(plan.identity.user, plan.identity.group)) {
            ::kill(-1, SIGKILL);
        }
        ::_exit(0);
    }
    while (killer > 0 && ::waitpid(killer, nullptr, 0) < 0 && errno == EINTR) {
    }
}

}  // namespace

Failure be_reaper(const JailPlan& plan) {
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
        return {Step::watch_parent, 0, errno};
    }
    if (plan.identity.privileged) {
        return {};  // the jail's user has no other process: see take_unused_user()
    }
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return {Step::no_new_privileges, 0, errno};
    }
    if (const auto failure = lock_signals(); failure.happened()) {
        return failure;
    }
    // Believed only when it was seen: kill_everybody() goes to all that can be signalled.
    return ::kill(::getppid(), 0) != 0 && errno == EPERM ? Failure{} : Failure{Step::landlock, 0, ENOTSUP};
}

pid_t start_guard(const JailPlan& plan) {
    int life[2] = {-1, -1};
    if (::pipe2(life, O_CLOEXEC) != 0) {
        return -1;
    }
    const pid_t guard = ::_Fork();
    if (guard != 0) {
        ::close(life[0]);  // the other end stays open for as long as the supervisor lives
        return guard;
    }
    int keep[] = {life[0], plan.user_lock.get()};
    close_all_but(keep);
    pollfd end{life[0], POLLIN, 0};
    while (::poll(&end, 1, -1) < 0 && errno == EINTR) {
    }
    constexpr int kTimes = 3;  // once would do: who has been signalled forks no more
    for (int i = 0; i < kTimes; ++i) {
        signal_everybody(plan);
        pause_for(5);
    }
    ::_exit(0);
}

// As long as there is a child, there may be more of them by now.
void kill_everybody(const JailPlan& plan) {
    do {
        signal_everybody(plan);
        pause_for(1);
        while (::waitpid(-1, nullptr, WNOHANG) > 0) {
        }
    } while (::waitpid(-1, nullptr, WNOHANG) == 0);
}

}  // namespace cellblock::sandbox::jail
