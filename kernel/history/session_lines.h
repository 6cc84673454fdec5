// The lines of the session that runs.
//
// Purpose: inputs and the text of their results; they survive workers that die.
// Ownership: plain values, bounded in count and bytes; the oldest go first.
// Threads: one. Failure: none.
#pragma once

#include <deque>
#include <string>

#include "kernel/history/request.h"
#include "kernel/history/search.h"

namespace cellblock::kernel {

class SessionLines {
public:
    static constexpr std::size_t kMaxLines = 10'000;
    static constexpr std::size_t kMaxBytes = 32U << 20;
    static constexpr std::size_t kMaxOutputBytes = 64U << 10;  // of one result; longer ones aren't kept

    void store(int number, std::string input);
    void store_output(int number, std::string output);

    // The lines' session is 0.
    [[nodiscard]] HistoryLines tail(std::size_t n) const;
    [[nodiscard]] HistoryLines range(std::int64_t start, std::optional<std::int64_t> stop) const;
    void search(Search& search) const;

private:
    void forget_oldest();

    std::deque<HistoryLine> lines_;
    std::size_t bytes_ = 0;
};

}  // namespace cellblock::kernel
