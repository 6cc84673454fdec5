// A bound on how often something may happen: `burst` times at once, and `per_second` times in the long run.
//
// Ownership: plain value. Threads: one. Failure: spend() gives false once the bound is reached.
#pragma once

#include <algorithm>
#include <chrono>

namespace cellblock::sandbox {

class RateBound {
public:
    RateBound(double burst, double per_second) : burst_(burst), per_second_(per_second), left_(burst) {}

    bool spend(std::chrono::steady_clock::time_point now) {
        const double passed = std::chrono::duration<double>(now - last_).count();
        left_ = std::min(burst_, left_ + (passed * per_second_));
        last_ = now;
        if (left_ < 1) {
            return false;
        }
        left_ -= 1;
        return true;
    }

private:
    double burst_, per_second_, left_;
    std::chrono::steady_clock::time_point last_{};
};

}  // namespace cellblock::sandbox
