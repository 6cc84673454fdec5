// One search by a shell's pattern, over this session's lines and then over those of earlier sessions.
//
// Purpose: takes the lines that match, the newest first, until there are enough or the time is over.
//
//     Search search(request);
//     while (search.goes_on() && more()) { search.offer(next()); }
//     const HistoryLines found = search.take();
//
// One thread. A pattern that is too long matches nothing.
#pragma once

#include <chrono>
#include <cstddef>
#include <limits>
#include <set>
#include <string>
#include <string_view>

#include "kernel/history/request.h"

namespace cellblock::kernel {

// Tells whether `pattern` matches the whole of `text`: * is any text, ? one character, [a-z] one of these,
// [^a] none of them. The time is the product of both lengths at most; where more than `most_steps`
// comparisons would be needed, the answer is no.
bool glob_matches(std::string_view pattern, std::string_view text,
                  std::size_t most_steps = std::numeric_limits<std::size_t>::max());

class Search {
public:
    static constexpr std::size_t kMaxPattern = 4096;
    static constexpr std::chrono::milliseconds kTime{250};  // meanwhile the kernel does nothing else
    static constexpr std::size_t kMostSteps = 2'000'000;    // for one line: some 10 ms

    explicit Search(const HistoryRequest& request);

    // True: more lines are wanted.
    [[nodiscard]] bool goes_on() const;
    // Takes the line if it matches.
    void offer(HistoryLine line);
    // The lines that matched, the oldest first.
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
