// usage_reply: what jupyter-resource-usage and JupyterLab's bar ask for.
//
// Purpose: the sandbox is what the user sees as the computer, so the limits of
// its policy stand where others tell the host's totals. Percentages are of one
// processor, since the last question, as psutil's are.
// Ownership, threads: of the main thread. Failure: where the host gives no
// figures, they are left out.
#pragma once

#include <chrono>
#include <string>

#include "sandbox/api/session.h"

namespace cellblock::kernel {

class UsageMeter {
public:
    // JSON text.
    std::string reply(const sandbox::Session& session);

private:
    using Clock = std::chrono::steady_clock;
    double cpu_percent(double cpu_seconds);

    Clock::time_point asked_at_{};
    double cpu_seconds_ = 0;
};

}  // namespace cellblock::kernel
