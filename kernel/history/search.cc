#include "kernel/history/search.h"

#include <algorithm>
#include <utility>

namespace cellblock::kernel {

namespace {

// The position after the character at `at`, which has one or more bytes.
std::size_t next_character(std::string_view text, std::size_t at) {
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U) {
        ++at;
    }
    return at;
}

// Whether one element of a pattern ([...], ?, or a character) matches one character.
struct Step {
    bool matches = false;
    std::size_t past = 0;  // the position after the element
};

Step match_one(std::string_view pattern, std::size_t at, std::string_view character) {
    const std::size_t past = next_character(pattern, at);
    if (pattern[at] == '?') {
        return {true, past};
    }
    const std::size_t first =
        past + (past < pattern.size() && (pattern[past] == '^' || pattern[past] == '!') ? 1 : 0);
    const std::size_t close = first < pattern.size() ? pattern.find(']', first + 1) : std::string_view::npos;
    if (pattern[at] != '[' || close == std::string_view::npos) {
        return {pattern.substr(at, past - at) == character, past};
    }
    bool within = false;
    for (std::size_t i = first; i < close;) {
        const std::size_t end = next_character(pattern, i);
        const auto low = pattern.substr(i, end - i);
        auto high = low;
        i = end;
        if (i + 1 < close && pattern[i] == '-') {
            const std::size_t last = next_character(pattern, i + 1);
            high = pattern.substr(i + 1, last - i - 1);
            i = last;
        }
        // UTF-8 sorts by bytes as the characters do.
        within = within || (low <= character && character <= high);
    }
    return {within != (first != past), close + 1};
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view text, std::size_t most_steps) {
    std::size_t steps = 0;
    std::size_t p = 0;
    std::size_t t = 0;
    std::optional<std::pair<std::size_t, std::size_t>> retry;  // after the last *, and the text it has taken
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            retry = {++p, t};
            continue;
        }
        // A set costs as much as the whole pattern, because all of it may be looked through.
        steps += p < pattern.size() && pattern[p] == '[' ? pattern.size() : 1;
        if (steps > most_steps) {
            return false;
        }
        const std::size_t next = next_character(text, t);
        if (p < pattern.size()) {
            if (const Step step = match_one(pattern, p, text.substr(t, next - t)); step.matches) {
                p = step.past;
                t = next;
                continue;
            }
        }
        if (!retry) {
            return false;
        }
        retry->second = next_character(text, retry->second);
        p = retry->first;
        t = retry->second;
    }
    return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

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
