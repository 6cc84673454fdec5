// A line on stderr for each message that is dropped, but no flood of them.
// Threads: one. Failure: none.
#pragma once

#include <chrono>
#include <string>

namespace cellblock::kernel {

class DropLog {
public:
    static constexpr int kLines = 20;  // in each period
    static constexpr std::chrono::seconds kPeriod{10};

    void tell(const std::string& what);

private:
    std::chrono::steady_clock::time_point since_{};
    int lines_ = 0;
};

}  // namespace cellblock::kernel
