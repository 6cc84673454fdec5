// The lines of the running session, in memory.
//
// Purpose: inputs and the text of their results. They survive a worker that dies. Bounded in number and
// bytes; the oldest are forgotten first. Plain values, one thread; nothing fails.
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

    // The session of the lines that these return is 0.
    [[nodiscard]] HistoryLines tail(std::size_t n) const;
    [[nodiscard]] HistoryLines range(std::int64_t start, std::optional<std::int64_t> stop) const;
    void search(Search& search) const;

private:
    void forget_oldest();

    std::deque<HistoryLine> lines_;
    std::size_t bytes_ = 0;
};

}  // namespace cellblock::kernel
