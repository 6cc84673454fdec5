// Text: UTF-8, ASCII letters, parts, hexadecimal, times in UTC, text for people, arguments for exec.
//
// Purpose: bytes from a sandbox count as text only after is_utf8(). Threads: pure functions. Failure: none;
// each function answers for any bytes.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace cellblock::sandbox {

// The length in bytes of the character that starts at text[at]; 0 if no character starts there (RFC 3629: no
// overlong forms, no surrogates, nothing above U+10FFFF).
std::size_t utf8_length(std::string_view text, std::size_t at);

bool is_utf8(std::string_view text);

// The longest start of `text` with at most `max` bytes that ends between two characters.
std::string_view utf8_prefix(std::string_view text, std::size_t max);

// ASCII letters in lower case, whatever the locale says of other bytes: for names of elements, attributes,
// keys.
inline std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return out;
}

// The parts between separators: "a,,b" has three. An empty text has none, and a separator at the end begins
// no part.
std::vector<std::string> split_at(std::string_view text, char separator);

// A module's or a variable's name in Python, in ASCII, of at most kMostPythonName bytes; the second takes
// "matplotlib.pyplot" too.
inline constexpr std::size_t kMostPythonName = 128;
bool is_python_name(std::string_view text);
bool is_dotted_python_name(std::string_view text);

// Two digits for each byte, in lower case.
std::string hex(std::string_view bytes);

// "2026-01-31T12:00:00.123Z", with so many digits of the second's fraction (at most 6).
std::string utc_text(std::chrono::system_clock::time_point time, int digits);

// Text from inside a sandbox or of another program, fit to be shown: printable UTF-8 without control
// characters but newline and tab, and no more than its last two thousand bytes.
std::string printable(std::string_view text);

// Pointers to the strings and a null at the end, as exec wants arguments. The strings must outlive the
// pointers and stay where they are.
inline std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> list;
    list.reserve(strings.size() + 1);
    for (const auto& text : strings) {
        list.push_back(const_cast<char*>(text.c_str()));  // exec changes none, and takes no const
    }
    list.push_back(nullptr);
    return list;
}

}  // namespace cellblock::sandbox
