// Control sequences as of ECMA-48.
#include "sandbox/outputs/terminal_text.h"

#include <algorithm>

namespace cellblock::sandbox {

namespace {

constexpr std::size_t kLongestSequence = 64;
// A command string (OSC, DCS …) that isn't closed ends here, or at its line's end.
constexpr std::size_t kLongestString = 4096;

constexpr char kEscape = '\x1b';

bool is_plain(unsigned char c) {
    return (c >= 0x20 && c < 0x7f) || c == '\n' || c == '\t' || c == '\r' || c == '\b';
}

// Lead bytes of U+0080 to U+009F (C2) and of U+2000 to U+2FFF (E2).
bool needs_a_look(unsigned char c) {
    return !is_plain(c) && (c < 0x80 || c == 0xc2 || c == 0xe2);
}

// Where the first such byte is; blocks without one are passed over as a whole, which compilers do with
// vectors.
std::size_t first_to_look_at(std::string_view text) {
    constexpr std::size_t kBlock = 64;
    std::size_t at = 0;
    for (; at + kBlock <= text.size(); at += kBlock) {
        unsigned odd = 0;
        for (std::size_t i = 0; i < kBlock; ++i) {
            const auto c = static_cast<unsigned char>(text[at + i]);
            odd |= static_cast<unsigned>(!(c >= 0x20 && c < 0x7f) && c != '\n');
        }
        if (odd != 0) {
            const auto end = text.begin() + static_cast<std::ptrdiff_t>(at + kBlock);
            const auto found = std::find_if(
                end - kBlock, end, [](char c) { return needs_a_look(static_cast<unsigned char>(c)); });
            if (found != end) {
                return static_cast<std::size_t>(found - text.begin());
            }
        }
    }
    while (at < text.size() && !needs_a_look(static_cast<unsigned char>(text[at]))) {
        ++at;
    }
    return at;
}

// Whether the character that `held` begins with is unwanted, still open, or good.
enum class Verdict { open, good, bad };

Verdict judge(std::string_view held) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(held[i]); };
    if (at(0) == 0xc2) {
        return held.size() < 2 ? Verdict::open : at(1) < 0xa0 ? Verdict::bad : Verdict::good;
    }
    if (held.size() < 3) {
        return Verdict::open;
    }
    // U+202A to U+202E, U+2066 to U+2069: embeddings, overrides and isolates.
    const bool embedding = at(1) == 0x80 && at(2) >= 0xaa && at(2) <= 0xae;
    const bool isolate = at(1) == 0x81 && at(2) >= 0xa6 && at(2) <= 0xa9;
    return embedding || isolate ? Verdict::bad : Verdict::good;
}

// "31", "1;38;5;208" and, for K, nothing or one digit.
bool is_kept(std::string_view sequence) {
    const char last = sequence.back();
    const std::string_view parameters = sequence.substr(2, sequence.size() - 3);
    const bool numbers = parameters.find_first_not_of("0123456789;:") == std::string_view::npos;
    return numbers && (last == 'm' || (last == 'K' && parameters.size() <= 1));
}

}  // namespace

void TerminalTextFilter::take_text(char c, std::string& out) {
    const auto byte = static_cast<unsigned char>(c);
    if (!held_.empty() || byte == 0xc2 || byte == 0xe2) {
        held_ += c;
        const Verdict verdict = judge(held_);
        if (verdict == Verdict::good) {
            out += held_;
        }
        if (verdict != Verdict::open) {
            held_.clear();
        }
    } else if (c == kEscape) {
        state_ = State::escape;
    } else if (is_plain(byte) || byte >= 0x80) {
        out += c;
    }
}

void TerminalTextFilter::take_escape(char c, std::string& out) {
    if (c == '[') {
        held_ = "\x1b[";
        state_ = State::sequence;
    } else if (c == ']' || c == 'P' || c == '_' || c == '^' || c == 'X') {
        swallowed_ = 0;
        state_ = State::command_string;
    } else if (c >= 0x20 && c <= 0x2f) {
        return;  // an intermediate byte: the final one is still to come
    } else {
        state_ = State::text;
        if (const auto byte = static_cast<unsigned char>(c); byte < 0x20 || byte >= 0x7f) {
            take_text(c, out);  // not of the sequence: no final byte
        }
    }
}

void TerminalTextFilter::take_sequence(char c, std::string& out) {
    const auto byte = static_cast<unsigned char>(c);
    held_ += c;
    const bool ends = byte >= 0x40 && byte <= 0x7e;
    if (!ends && byte >= 0x20 && byte < 0x40 && held_.size() < kLongestSequence) {
        return;
    }
    if (ends && is_kept(held_)) {
        out += held_;
    }
    held_.clear();
    state_ = State::text;
    if (!ends && (byte < 0x20 || byte >= 0x7f)) {
        take_text(c, out);  // not of the sequence, which is broken off
    }
}

void TerminalTextFilter::take(char c, std::string& out) {
    switch (state_) {
        case State::text:
            return take_text(c, out);
        case State::escape:
            return take_escape(c, out);
        case State::sequence:
            return take_sequence(c, out);
        case State::string_escape:
            state_ = State::command_string;
            if (c == '\\') {
                state_ = State::text;
                return;
            }
            break;
        case State::command_string:
            break;
    }
    take_command_string(c, out);
}

void TerminalTextFilter::take_command_string(char c, std::string& out) {
    const bool within_character = (static_cast<unsigned char>(c) & 0xc0U) == 0x80;
    if (c == '\a') {
        state_ = State::text;
    } else if (c == '\n' || (++swallowed_ > kLongestString && !within_character)) {
        state_ = State::text;
        take_text(c, out);
    } else if (c == kEscape) {
        state_ = State::string_escape;
    }
}

std::string TerminalTextFilter::filter(std::string text) {
    // Nearly all text is plain.
    std::size_t start = 0;
    if (state_ == State::text && held_.empty()) {
        start = first_to_look_at(text);
        if (start == text.size()) {
            return text;
        }
    }
    std::string out(text, 0, start);
    out.reserve(text.size());
    for (; start < text.size(); ++start) {
        take(text[start], out);
    }
    return out;
}

std::string terminal_text(std::string text) {
    TerminalTextFilter filter;
    return filter.filter(std::move(text));
}

}  // namespace cellblock::sandbox
