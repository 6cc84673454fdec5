// What the process itself is told: signals, and that its parent is gone.
//
// Purpose: SIGINT and SIGTERM become something to poll for. Handlers and an
// eventfd rather than blocked signals and a signalfd: a blocked signal would
// be inherited by the sandbox, where a SIGINT must still reach a cell.
// Ownership: owns its descriptors and puts the handlers back. At most one lives.
// Threads: the handlers run on any. Failure: start() gives an Error.
#pragma once

#include <csignal>
#include <memory>

#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"

namespace cellblock::kernel {

enum class Notice { none, interrupt, leave };

class ProcessWatch {
public:
    // The parent: $JPY_PARENT_PID, where a client set it.
    static sandbox::Result<std::unique_ptr<ProcessWatch>> start();
    ~ProcessWatch();
    ProcessWatch(const ProcessWatch&) = delete;
    ProcessWatch& operator=(const ProcessWatch&) = delete;

    // Readable: call signal_notice().
    [[nodiscard]] int signal_fd() const { return signals_.get(); }
    Notice signal_notice();
    // Readable: the parent is gone. -1: none is watched.
    [[nodiscard]] int parent_fd() const { return parent_.get(); }

private:
    ProcessWatch() = default;

    sandbox::UniqueFd signals_;
    sandbox::UniqueFd parent_;
    struct sigaction old_interrupt_ {};
    struct sigaction old_terminate_ {};
};

}  // namespace cellblock::kernel
