#include "kernel/server/process_watch.h"

#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sandbox/base/process.h"

namespace cellblock::kernel {

namespace {

// Static, because a signal handler can reach nothing else.
std::atomic<int> wake_fd{-1};
std::atomic<bool> interrupted{false};
std::atomic<bool> terminated{false};

extern "C" void on_signal(int number) {
    const int kept = errno;
    (number == SIGINT ? interrupted : terminated).store(true);
    const std::uint64_t one = 1;
    if (::write(wake_fd.load(), &one, sizeof one) < 0) {
        // The counter is full, so the descriptor is readable already.
    }
    errno = kept;
}

pid_t named_parent() {
    const char* text = std::getenv("JPY_PARENT_PID");
    pid_t pid = 0;
    if (text == nullptr) {
        return 0;
    }
    const std::string_view digits(text);
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), pid);
    return read.ec == std::errc() && read.ptr == digits.data() + digits.size() && pid > 1 ? pid : 0;
}

}  // namespace

sandbox::Result<std::unique_ptr<ProcessWatch>> ProcessWatch::start() {
    std::unique_ptr<ProcessWatch> made(new ProcessWatch);
    made->signals_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!made->signals_.valid()) {
        return sandbox::errno_error("eventfd");
    }
    wake_fd.store(made->signals_.get());
    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGINT, &action, &made->old_interrupt_);
    ::sigaction(SIGTERM, &action, &made->old_terminate_);
    if (const pid_t parent = named_parent(); parent != 0) {
        made->parent_.reset(static_cast<int>(::syscall(SYS_pidfd_open, parent, 0)));
        if (!made->parent_.valid() && errno == ESRCH && ::getppid() == 1) {
            terminated.store(true);  // it left before we could look
            ::raise(SIGTERM);
        }
    }
    return made;
}

ProcessWatch::~ProcessWatch() {
    if (signals_.valid()) {
        ::sigaction(SIGINT, &old_interrupt_, nullptr);
        ::sigaction(SIGTERM, &old_terminate_, nullptr);
        wake_fd.store(-1);
    }
}

Notice ProcessWatch::signal_notice() {
    std::uint64_t count = 0;
    if (::read(signals_.get(), &count, sizeof count) < 0) {
        // There is no new signal. The flags below are what counts.
    }
    if (terminated.exchange(false)) {
        terminated_ = true;
        return Notice::leave;
    }
    return interrupted.exchange(false) ? Notice::interrupt : Notice::none;
}

std::string ProcessWatch::why_to_leave() const {
    if (parent_.valid() && sandbox::ends_within(parent_.get(), std::chrono::milliseconds{0})) {
        return "the process that started it is gone";
    }
    return terminated_ ? "SIGTERM" : "";
}

}  // namespace cellblock::kernel
