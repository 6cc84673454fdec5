// The supervisor of one jail.
#include "sandbox/jail/supervisor.h"

#include <linux/sched.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "sandbox/jail/calls.h"
#include "sandbox/jail/enter.h"
#include "sandbox/jail/report.h"

namespace cellblock::sandbox::jail {

namespace {

constexpr int kFailed = 125;
constexpr int kPauseMilliseconds = 50;  // between two readings of much output
constexpr int kEndMilliseconds = 200;   // for an end that is under way to be told
constexpr std::size_t kOutputAtOnce = 65536;

void pause_for(long milliseconds) {
    const timespec time{milliseconds / 1000, milliseconds % 1000 * 1000000};
    ::nanosleep(&time, nullptr);
}

void default_signals() {
    struct sigaction plain {};
    plain.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; ++number) {
        ::sigaction(number, &plain, nullptr);
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void close_all_but(int (&keep)[4]) {
    std::sort(std::begin(keep), std::end(keep));
    unsigned next = 0;
    for (const int fd : keep) {
        if (static_cast<unsigned>(fd) > next) {
            ::close_range(next, static_cast<unsigned>(fd) - 1, 0);
        }
        next = static_cast<unsigned>(fd) + 1;
    }
    ::close_range(next, ~0U, 0);
}

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

[[noreturn]] void first_process(const JailPlan& plan, const SupervisorDescriptors& descriptors, int parent) {
    static Report report;
    report.kind = ReportKind::setup_failed;
    report.failure = enter(plan, {descriptors.warden, descriptors.output_write, parent});
    if (!report.failure.happened()) {
        ::execve(plan.argv[0], plan.argv.data(), plan.envp.data());
        report.failure = {Step::execute, 0, errno};
    }
    send_report(descriptors.control, report);
    ::_exit(kFailed);
}

// As fork, but into new namespaces.
pid_t clone_into(unsigned long long namespaces, int& pidfd) {
    clone_args arguments{};
    arguments.flags = namespaces | CLONE_PIDFD;
    arguments.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
    arguments.exit_signal = SIGCHLD;
    return static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
}

class Supervisor {
public:
    Supervisor(const JailPlan& plan, const SupervisorDescriptors& descriptors)
        : plan_(plan), control_(descriptors.control), output_(descriptors.output_read) {}

    void start(const SupervisorDescriptors& descriptors) {
        int parent[2] = {-1, -1};
        if (::pipe2(parent, O_CLOEXEC) == 0) {
            child_ = clone_into(jail_namespaces(plan_.identity), pidfd_);
        }
        if (child_ == 0) {
            ::close(parent[1]);
            first_process(plan_, descriptors, parent[0]);
        }
        if (child_ < 0) {
            report_.kind = ReportKind::setup_failed;
            report_.failure = {Step::start_first_process, 0, errno};
            send_report(control_, report_);
            ended_ = true;
        }
        ::close(parent[0]);  // the other end stays open for as long as we live
        ::close(descriptors.warden);
        ::close(descriptors.output_write);
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
    void obey() {
        char command = 0;
        const ssize_t size = ::recv(control_, &command, 1, MSG_DONTWAIT);
        if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) {
            leave();
        }
        if (size == 1 && command == kKillRequest) {
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
        kill_child();
        while (!ended_ && ::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
        }
        for (const auto& folder : plan_.cgroup_folders) {
            for (int i = 0; i < 200 && ::rmdir(folder.c_str()) != 0 && errno == EBUSY; ++i) {
                pause_for(5);
            }
        }
        ::_exit(0);
    }

    const JailPlan& plan_;
    int control_;
    int output_;
    int pidfd_ = -1;
    pid_t child_ = -1;
    bool ended_ = false;
    bool paused_ = false;
    std::uint32_t tail_size_ = 0;
    char tail_[kTailBytes] = {};
    Report report_;
};

}  // namespace

void supervise(const JailPlan& plan, const SupervisorDescriptors& descriptors) {
    int keep[4] = {descriptors.control, descriptors.warden, descriptors.output_read,
                   descriptors.output_write};
    close_all_but(keep);
    fill_low_descriptors();
    ::setsid();
    default_signals();
    ::prctl(PR_SET_NAME, "cellblock-jail", 0, 0, 0);
    (void)::chdir("/");
    Supervisor supervisor(plan, descriptors);
    supervisor.start(descriptors);
    supervisor.run();
}

}  // namespace cellblock::sandbox::jail
