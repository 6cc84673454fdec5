#include "kernel/jupyter/drop_log.h"

#include <iostream>

namespace cellblock::kernel {

void DropLog::tell(const std::string& what) {
    const auto now = std::chrono::steady_clock::now();
    if (now - since_ > kPeriod) {
        since_ = now;
        lines_ = 0;
    }
    if (++lines_ <= kLines) {
        std::cerr << "cellblock kernel: " << what << (lines_ == kLines ? " (and more of that kind)" : "")
                  << "\n";
    }
}

}  // namespace cellblock::kernel
