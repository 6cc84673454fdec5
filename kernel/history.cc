// History: storing, and the three ways of asking.
#include "kernel/history.h"

#include <algorithm>
#include <set>

namespace cellblock::kernel {

using nlohmann::json;

namespace {

constexpr std::size_t kMaxPattern = 4096;

std::optional<std::int64_t> integer(const json& request, const char* name) {
    const auto found = request.find(name);
    if (found == request.end() || !found->is_number_integer()) {
        return std::nullopt;
    }
    return found->get<std::int64_t>();
}

bool flag(const json& request, const char* name) {
    const auto found = request.find(name);
    return found != request.end() && found->is_boolean() && found->get<bool>();
}

std::string text(const json& request, const char* name, const std::string& otherwise) {
    const auto found = request.find(name);
    return found != request.end() && found->is_string() ? found->get<std::string>() : otherwise;
}

std::optional<std::size_t> count(const json& request) {
    const auto n = integer(request, "n");
    return n ? std::optional<std::size_t>(static_cast<std::size_t>(std::max<std::int64_t>(*n, 0)))
             : std::nullopt;
}

// Past the character (of one or more bytes) at `at`.
std::size_t next_character(std::string_view text, std::size_t at) {
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U) {
        ++at;
    }
    return at;
}

// What one element of a pattern ([...], ?, or a character) says of one character.
struct Step {
    bool matches = false;
    std::size_t past = 0;  // the element
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
        // In UTF-8 the order of bytes is that of the characters.
        within = within || (low <= character && character <= high);
    }
    return {within != (first != past), close + 1};
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view text) {
    std::size_t p = 0;
    std::size_t t = 0;
    std::optional<std::pair<std::size_t, std::size_t>> retry;  // after the last *, and the text it has taken
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            retry = {++p, t};
            continue;
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

void History::store(int line, std::string input) {
    bytes_ += input.size();
    lines_.push_back({line, std::move(input), std::nullopt});
    forget_oldest();
}

void History::store_output(int line, std::string output) {
    if (output.size() > kMaxOutputBytes) {
        return;
    }
    const auto found =
        std::find_if(lines_.rbegin(), lines_.rend(), [&](const Line& one) { return one.number == line; });
    if (found == lines_.rend()) {
        return;
    }
    bytes_ += output.size();
    bytes_ -= found->output ? found->output->size() : 0;
    found->output = std::move(output);
    forget_oldest();
}

void History::forget_oldest() {
    while (!lines_.empty() && (lines_.size() > kMaxLines || bytes_ > kMaxBytes)) {
        const Line& oldest = lines_.front();
        bytes_ -= oldest.input.size() + (oldest.output ? oldest.output->size() : 0);
        lines_.pop_front();
    }
}

History::Chosen History::tail(std::size_t n) const {
    Chosen chosen;
    for (std::size_t i = lines_.size() - std::min(n, lines_.size()); i < lines_.size(); ++i) {
        chosen.push_back(&lines_[i]);
    }
    return chosen;
}

History::Chosen History::range(std::int64_t session, std::int64_t start,
                               std::optional<std::int64_t> stop) const {
    Chosen chosen;
    if (session != 0 && session != kSession) {
        return chosen;  // negative ones lie before this session: none are kept
    }
    for (const auto& line : lines_) {
        if (line.number >= start && (!stop || line.number < *stop)) {
            chosen.push_back(&line);
        }
    }
    return chosen;
}

History::Chosen History::search(const std::string& pattern, bool unique, std::optional<std::size_t> n) const {
    Chosen chosen;
    std::set<std::string_view> seen;
    if (pattern.size() > kMaxPattern) {
        return chosen;
    }
    for (auto line = lines_.rbegin(); line != lines_.rend() && (!n || chosen.size() < *n); ++line) {
        if (glob_matches(pattern, line->input) && (!unique || seen.insert(line->input).second)) {
            chosen.push_back(&*line);
        }
    }
    std::reverse(chosen.begin(), chosen.end());
    return chosen;
}

json History::answer(const json& request) const {
    const std::string kind = text(request, "hist_access_type", "tail");
    Chosen chosen;
    if (kind == "range") {
        chosen = range(integer(request, "session").value_or(0), integer(request, "start").value_or(1),
                       integer(request, "stop"));
    } else if (kind == "search") {
        chosen = search(text(request, "pattern", "*"), flag(request, "unique"), count(request));
    } else {
        chosen = tail(count(request).value_or(10));
    }
    const bool with_output = flag(request, "output");
    json history = json::array();
    for (const Line* line : chosen) {
        json what = line->input;
        if (with_output) {
            what = json::array({line->input, line->output ? json(*line->output) : json(nullptr)});
        }
        history.push_back(json::array({kSession, line->number, std::move(what)}));
    }
    return history;
}

}  // namespace cellblock::kernel
