// Offered, matched, taken.
#include "kernel/history/search.h"

#include <algorithm>

#include "kernel/history/glob.h"

namespace cellblock::kernel {

Search::Search(const HistoryRequest& request)
    : pattern_(request.pattern),
      unique_(request.unique),
      most_(request.most),
      end_(std::chrono::steady_clock::now() + kTime) {}

bool Search::goes_on() const {
    return pattern_.size() <= kMaxPattern && (!most_ || taken_.size() < *most_) &&
           std::chrono::steady_clock::now() < end_;
}

void Search::offer(HistoryLine line) {
    if (glob_matches(pattern_, line.input, kMostSteps) && (!unique_ || seen_.insert(line.input).second)) {
        taken_.push_back(std::move(line));
    }
}

HistoryLines Search::take() {
    std::reverse(taken_.begin(), taken_.end());
    return std::move(taken_);
}

}  // namespace cellblock::kernel
