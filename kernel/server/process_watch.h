// Tells the event loop of signals, and of the end of the process that started the kernel.
//
// Purpose: SIGINT and SIGTERM make a descriptor readable, and so does the parent's end. Signal handlers and
// an eventfd do this rather than blocked signals and a signalfd, because the sandbox would inherit a blocked
// signal, and SIGINT must still reach a cell there.
//
// Owns its descriptors, and its destructor puts the old handlers back. At most one may live. The handlers run
// on any thread; everything else belongs to the main thread. start() fails with an Error.
#pragma once

#include <csignal>
#include <memory>
#include <string>

#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"

namespace cellblock::kernel {

enum class Notice { none, interrupt, leave };

class ProcessWatch {
public:
    // Watches the process $JPY_PARENT_PID, too, if a client set it.
    static sandbox::Result<std::unique_ptr<ProcessWatch>> start();
    ~ProcessWatch();
    ProcessWatch(const ProcessWatch&) = delete;
    ProcessWatch& operator=(const ProcessWatch&) = delete;

    // Poll this descriptor for reading, then call signal_notice().
    [[nodiscard]] int signal_fd() const { return signals_.get(); }
    // The request behind the signals that came since the last call.
    Notice signal_notice();
    // For people: why the kernel is to leave, as far as signals and the parent tell. Empty: neither asks for
    // that.
    [[nodiscard]] std::string why_to_leave() const;
    // Readable when the parent is gone. -1: no parent is watched.
    [[nodiscard]] int parent_fd() const { return parent_.get(); }

private:
    ProcessWatch() = default;

    sandbox::UniqueFd signals_;
    sandbox::UniqueFd parent_;
    bool terminated_ = false;
    struct sigaction old_interrupt_ {};
    struct sigaction old_terminate_ {};
};

}  // namespace cellblock::kernel
