// One search, over this session's lines and then over those of earlier ones.
//
// Purpose: takes the lines that match, the newest first, until there are enough
// of them or its time is over. Ownership: owns what it took. Threads: one.
// Failure: a pattern that is too long matches nothing.
#pragma once

#include <chrono>
#include <set>

#include "kernel/history/request.h"

namespace cellblock::kernel {

class Search {
public:
    static constexpr std::size_t kMaxPattern = 4096;
    static constexpr std::chrono::milliseconds kTime{250};  // meanwhile the kernel does nothing else
    static constexpr std::size_t kMostSteps = 2'000'000;    // of one line: some 10 ms

    explicit Search(const HistoryRequest& request);

    // Is more wanted?
    [[nodiscard]] bool goes_on() const;
    void offer(HistoryLine line);
    // The oldest first.
    HistoryLines take();

private:
    const std::string pattern_;
    const bool unique_;
    const std::optional<std::size_t> most_;
    const std::chrono::steady_clock::time_point end_;
    std::set<std::string> seen_;
    HistoryLines taken_;
};

}  // namespace cellblock::kernel
