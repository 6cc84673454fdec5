// The supervisor of one jail.
#include "sandbox/jail/supervisor.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>
#include <tuple>

#include "sandbox/base/socket.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/jail/enter.h"
#include "sandbox/jail/no_namespaces_end.h"
#include "sandbox/jail/report.h"

namespace cellblock::sandbox::jail {

namespace {

constexpr int kSetupFailed = 125;
constexpr int kPauseMilliseconds = 50;  // between two readings of much output
constexpr int kEndMilliseconds = 200;   // for an end that is under way to be told
constexpr std::size_t kOutputAtOnce = 65536;

// So that nothing opened later lands on a number that has a meaning inside.
void fill_low_descriptors() {
    constexpr int kLastWithMeaning = 3;
    int fd = 0;
    do {
        fd = ::open("/", O_PATH | O_CLOEXEC);
    } while (fd >= 0 && fd < kLastWithMeaning);
}

void send_report(int control, const Report& report) {
    (void)::send(control, &report, sizeof report, MSG_NOSIGNAL | MSG_DONTWAIT);
}

// The folder of changes, which the host may look through whatever becomes of the jail, or the mount
// namespace. Linux counts what a user's processes have sent and nobody has received yet; other sandboxes of
// this user may be at that bound.
void send_descriptor(int control, ReportKind kind, int descriptor) {
    constexpr int kAttempts = 40;
    constexpr long kPause = 5;  // milliseconds
    static Report report;
    if (descriptor < 0) {
        return;
    }
    report.kind = kind;
    report.failure = {};
    const std::string_view bytes(reinterpret_cast<const char*>(&report), sizeof report);
    for (int attempt = 1; send_with_descriptors(control, bytes, {&descriptor, 1}) < 0; ++attempt) {
        if (errno != ETOOMANYREFS || attempt == kAttempts) {
            report.failure.error = errno;
            return send_report(control, report);
        }
        pause_for(kPause);
    }
}

// What a jail's first process does once it is in: another program's start, or (warm) what this one is.
enum class Then { execute, go_on };

// Returns only to go on.
void first_process(const JailPlan& plan, const SupervisorDescriptors& descriptors, int parent, Then then) {
    static Report report;
    report.kind = ReportKind::setup_failed;
    const JailDescriptors inside{descriptors.warden, descriptors.output_write, parent, descriptors.attendant};
    report.failure = plan.without_namespaces ? enter_without_namespaces(plan, inside) : enter(plan, inside);
    if (!report.failure.happened()) {
        send_descriptor(descriptors.control, ReportKind::made, plan.changes);
        send_descriptor(descriptors.control, ReportKind::mounted, plan.mounts);
        send_descriptor(descriptors.control, ReportKind::listening, plan.listener);
    }
    if (!report.failure.happened() && then == Then::go_on) {
        constexpr unsigned kFirstUnknown = 4;
        if (close_range(kFirstUnknown, ~0U, 0) == 0) {
            return;
        }
        ::_exit(kSetupFailed);
    }
    if (!report.failure.happened()) {
        ::execve(plan.argv[0], plan.argv.data(), plan.envp.data());
        report.failure = {Step::execute, 0, errno};
    }
    send_report(descriptors.control, report);
    ::_exit(kSetupFailed);
}

// Where clone3 itself may be refused.
pid_t fork_plain(int& pidfd) {
    const pid_t child = ::_Fork();
    if (child > 0) {
        pidfd = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
    }
    return child;
}

class Supervisor {
public:
    Supervisor(const JailPlan& plan, const SupervisorDescriptors& descriptors, int* thread_id)
        : plan_(plan),
          thread_id_(thread_id),
          control_(descriptors.control),
          output_(descriptors.output_read) {}

    // True in the first process of a warm jail.
    bool start(const SupervisorDescriptors& descriptors) {
        int parent[2] = {-1, -1};
        Failure failure = plan_.without_namespaces ? be_reaper(plan_) : Failure{};
        if (plan_.without_namespaces && !failure.happened()) {
            guard_ = start_guard(plan_);
            failure = guard_ > 0 ? failure : Failure{Step::watch_parent, 0, errno};
        }
        if (!failure.happened() && ::pipe2(parent, O_CLOEXEC) == 0) {
            child_ =
                plan_.without_namespaces
                    ? fork_plain(pidfd_)
                    : clone_into(jail_namespaces(plan_.identity, plan_.host_network), pidfd_, thread_id_);
        }
        if (child_ == 0) {
            ::close(parent[1]);
            first_process(plan_, descriptors, parent[0], thread_id_ ? Then::go_on : Then::execute);
            return true;
        }
        if (child_ < 0) {
            report_.kind = ReportKind::setup_failed;
            report_.failure = failure.happened() ? failure : Failure{Step::start_first_process, 0, errno};
            send_report(control_, report_);
            ended_ = true;
        }
        if (child_ > 0 && !plan_.without_namespaces) {
            let_in(parent[1]);
        }
        ::close(parent[0]);  // the other end stays open for as long as we live
        ::close(descriptors.warden);
        ::close(descriptors.output_write);
        if (descriptors.attendant >= 0) {
            ::close(descriptors.attendant);
        }
        return false;
    }

    [[noreturn]] void run() {
        while (true) {
            pollfd wanted[3] = {
                {control_, POLLIN, 0}, {pidfd_, POLLIN, 0}, {paused_ ? -1 : output_, POLLIN, 0}};
            ::poll(wanted, 3, paused_ ? kPauseMilliseconds : -1);
            paused_ = false;
            if (wanted[2].revents != 0) {
                read_output();
            }
            if (wanted[1].revents != 0) {
                reap();
            }
            if (wanted[0].revents != 0) {
                obey();
            }
        }
    }

private:
    // The child waits for it, once it has built its root. In a nested jail no control group can be seen from
    // here, and the attendant has put the child into its groups.
    void let_in(int pipe) {
        report_.failure = plan_.nested ? Failure{} : join_by_number(plan_, child_);
        if (!report_.failure.happened() && ::write(pipe, &kJoined, 1) == 1) {
            return;
        }
        pollfd end{pidfd_, POLLIN, 0};
        if (::poll(&end, 1, 0) > 0) {
            return;  // it has told why itself
        }
        report_.kind = ReportKind::setup_failed;
        send_report(control_, report_);
        kill_child();
    }

    void obey() {
        char command = 0;
        const ssize_t size = ::recv(control_, &command, 1, MSG_DONTWAIT);
        if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) {
            leave();
        }
        if (size == 1 && command == kKillRequest) {
            killed_ = killed_ || !ended_;
            kill_child();
        } else if (size == 1 && command == kStateRequest) {
            tell_state();
        }
    }

    void kill_child() const {
        if (!ended_) {
            ::kill(child_, SIGKILL);
        }
    }

    // PID 1's end is that of its namespace: once it is reaped, nothing is left in there.
    void reap() {
        int status = 0;
        if (ended_ || ::waitpid(child_, &status, WNOHANG) != child_) {
            return;
        }
        ended_ = true;
        end_without_namespaces();
        ::close(pidfd_);
        pidfd_ = -1;
        read_output();
        report_.kind = ReportKind::ended;
        report_.wait_status = status;
        send_state();
    }

    void tell_state() {
        if (ended_) {
            return;  // told when it happened
        }
        pollfd end{pidfd_, POLLIN, 0};
        if (::poll(&end, 1, kEndMilliseconds) > 0) {
            return reap();
        }
        read_output();
        report_.kind = ReportKind::running;
        send_state();
    }

    void send_state() {
        report_.text_size = tail_size_;
        std::memcpy(report_.text, tail_, tail_size_);
        send_report(control_, report_);
    }

    // Keeps the end of it. A jail that writes without end is read slowly: its
    // own processor time is limited, ours isn't.
    void read_output() {
        char part[4096];
        std::size_t total = 0;
        while (output_ >= 0 && total < kOutputAtOnce) {
            const ssize_t size = ::read(output_, part, sizeof part);
            if (size == 0) {
                ::close(output_);
                output_ = -1;
            }
            if (size <= 0) {
                break;
            }
            keep(part, static_cast<std::uint32_t>(size));
            total += static_cast<std::size_t>(size);
        }
        paused_ = total >= kOutputAtOnce;
    }

    void keep(const char* part, std::uint32_t size) {
        const std::uint32_t room = kTailBytes - size;
        const std::uint32_t stays = std::min(tail_size_, room);
        std::memmove(tail_, tail_ + (tail_size_ - stays), stays);
        std::memcpy(tail_ + stays, part, size);
        tail_size_ = stays + size;
    }

    // The host is gone, or done with this jail.
    [[noreturn]] void leave() {
        const int how = how_it_was_left();
        kill_child();
        while (!ended_ && ::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
        }
        end_without_namespaces();
        for (const auto& folder : plan_.cgroup_folders) {
            (void)remove_empty_cgroup(folder.c_str(), 200);
        }
        remove_box();
        ::_exit(how);
    }

    [[nodiscard]] int how_it_was_left() const {
        if (killed_ || !ended_) {
            return killed_ ? kLeftKilled : kLeftAlive;
        }
        const int status = report_.wait_status;
        // The warden leaves with 0 when the host has closed its socket, which may be heard of before the end
        // of ours.
        if (child_ > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            return kLeftAlive;
        }
        const bool unmade = child_ < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == kSetupFailed);
        return unmade ? kLeftUnmade : kLeftEnded;
    }

    void end_without_namespaces() {
        if (guard_ <= 0) {
            return;
        }
        ::kill(guard_, SIGKILL);
        while (::waitpid(guard_, nullptr, 0) < 0 && errno == EINTR) {
        }
        guard_ = -1;
        kill_everybody(plan_);
    }

    // Nobody lives in it any more. By another program, since nothing allocates here.
    void remove_box() const {
        const pid_t remover = plan_.without_namespaces ? ::_Fork() : -1;
        if (remover == 0) {
            const char* const arguments[] = {"rm", "-rf", "--", plan_.box.c_str(), nullptr};
            ::execv("/bin/rm", const_cast<char* const*>(arguments));
            ::_exit(kSetupFailed);
        }
        while (remover > 0 && ::waitpid(remover, nullptr, 0) < 0 && errno == EINTR) {
        }
    }

    const JailPlan& plan_;
    int* thread_id_;  // warm
    int control_;
    int output_;
    int pidfd_ = -1;
    pid_t child_ = -1;
    pid_t guard_ = -1;  // of a jail without namespaces
    bool ended_ = false;
    bool killed_ = false;  // at the host's request
    bool paused_ = false;
    std::uint32_t tail_size_ = 0;
    char tail_[kTailBytes] = {};
    Report report_;
};

// Returns in the first process of a warm jail.
void supervise_any(const JailPlan& plan, const SupervisorDescriptors& descriptors, int* thread_id) {
    int keep[] = {descriptors.control,      descriptors.warden,    descriptors.output_read,
                  descriptors.output_write, descriptors.attendant, plan.user_lock.get()};
    close_all_but(keep);
    fill_low_descriptors();
    ::setsid();
    default_signals();
    ::prctl(PR_SET_NAME, "cellblock-jail", 0, 0, 0);
    std::ignore = ::chdir("/");
    Supervisor supervisor(plan, descriptors, thread_id);
    if (!supervisor.start(descriptors)) {
        supervisor.run();
    }
}

}  // namespace

void supervise(const JailPlan& plan, const SupervisorDescriptors& descriptors) {
    supervise_any(plan, descriptors, nullptr);
    ::_exit(kSetupFailed);
}

void supervise_warm(const JailPlan& plan, const SupervisorDescriptors& descriptors, int* thread_id) {
    supervise_any(plan, descriptors, thread_id);
}

}  // namespace cellblock::sandbox::jail
