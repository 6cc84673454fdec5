// The content of usage_reply, which jupyter-resource-usage and JupyterLab's status bar ask for.
//
// Purpose: to the user the sandbox is the computer, so the limits of its policy stand where other kernels
// tell the host's totals. A percentage is one of a single processor since the last question, as psutil's are.
// Main thread only. Figures that the host doesn't give are left out.
#pragma once

#include <chrono>
#include <string>

#include "sandbox/api/session.h"

namespace cellblock::kernel {

class UsageMeter {
public:
    // The reply's content as JSON text.
    std::string reply(const sandbox::Session& session);

private:
    using Clock = std::chrono::steady_clock;
    double cpu_percent(double cpu_seconds);

    Clock::time_point asked_at_{};
    double cpu_seconds_ = 0;
};

}  // namespace cellblock::kernel
