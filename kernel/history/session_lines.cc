#include "kernel/history/session_lines.h"

#include <algorithm>

namespace cellblock::kernel {

void SessionLines::store(int number, std::string input) {
    bytes_ += input.size();
    lines_.push_back({0, number, std::move(input), std::nullopt});
    forget_oldest();
}

void SessionLines::store_output(int number, std::string output) {
    if (output.size() > kMaxOutputBytes) {
        return;
    }
    const auto found = std::find_if(lines_.rbegin(), lines_.rend(),
                                    [&](const HistoryLine& one) { return one.number == number; });
    if (found == lines_.rend()) {
        return;
    }
    bytes_ += output.size();
    bytes_ -= found->output ? found->output->size() : 0;
    found->output = std::move(output);
    forget_oldest();
}

void SessionLines::forget_oldest() {
    while (!lines_.empty() && (lines_.size() > kMaxLines || bytes_ > kMaxBytes)) {
        const HistoryLine& oldest = lines_.front();
        bytes_ -= oldest.input.size() + (oldest.output ? oldest.output->size() : 0);
        lines_.pop_front();
    }
}

HistoryLines SessionLines::tail(std::size_t n) const {
    const auto first = lines_.end() - static_cast<std::ptrdiff_t>(std::min(n, lines_.size()));
    return {first, lines_.end()};
}

HistoryLines SessionLines::range(std::int64_t start, std::optional<std::int64_t> stop) const {
    HistoryLines chosen;
    std::copy_if(lines_.begin(), lines_.end(), std::back_inserter(chosen), [&](const HistoryLine& line) {
        return line.number >= start && (!stop || line.number < *stop);
    });
    return chosen;
}

void SessionLines::search(Search& search) const {
    for (auto line = lines_.rbegin(); line != lines_.rend() && search.goes_on(); ++line) {
        search.offer(*line);
    }
}

}  // namespace cellblock::kernel
