// Writes a line on stderr for each message that is dropped, but only a bounded number of lines.
//
// Purpose: a client, or whoever reaches the port, must not fill the terminal or a log. One thread.
#pragma once

#include <chrono>
#include <string>

namespace cellblock::kernel {

class DropLog {
public:
    static constexpr int kLines = 20;  // in each period; the last one says that there is more
    static constexpr std::chrono::seconds kPeriod{10};

    void tell(const std::string& what);

private:
    std::chrono::steady_clock::time_point since_{};
    int lines_ = 0;
};

}  // namespace cellblock::kernel
