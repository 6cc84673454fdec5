// UTF-8, hexadecimal, UTC, printable text.
#include "sandbox/base/text.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <ctime>

namespace cellblock::sandbox {

namespace {

constexpr std::size_t kMostPrintable = 2000;

// Past the ASCII characters from `at` on, eight at a time.
std::size_t past_ascii(std::string_view text, std::size_t at) {
    constexpr std::uint64_t kHighs = 0x8080808080808080U;
    std::uint64_t eight = 0;
    while (at + sizeof eight <= text.size()) {
        std::memcpy(&eight, text.data() + at, sizeof eight);
        if ((eight & kHighs) != 0) {
            break;
        }
        at += sizeof eight;
    }
    while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) {
        ++at;
    }
    return at;
}

}  // namespace

std::size_t utf8_length(std::string_view text, std::size_t at) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
    const unsigned char lead = byte(0);
    if (lead < 0x80) {
        return 1;
    }
    const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || at + length > text.size()) {
        return 0;
    }
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xC0U) != 0x80U) {
            return 0;
        }
    }
    const bool overlong = (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xF0 && byte(1) < 0x90);
    const bool surrogate = lead == 0xED && byte(1) >= 0xA0;
    const bool beyond = lead == 0xF4 && byte(1) >= 0x90;
    return overlong || surrogate || beyond ? 0 : length;
}

bool is_utf8(std::string_view text) {
    for (std::size_t at = past_ascii(text, 0); at < text.size(); at = past_ascii(text, at)) {
        const std::size_t length = utf8_length(text, at);
        if (length == 0) {
            return false;
        }
        at += length;
    }
    return true;
}

std::string_view utf8_prefix(std::string_view text, std::size_t max) {
    if (text.size() <= max) {
        return text;
    }
    while (max > 0 && (static_cast<unsigned char>(text[max]) & 0xC0U) == 0x80U) {
        --max;
    }
    return text.substr(0, max);
}

std::vector<std::string> split_at(std::string_view text, char separator) {
    std::vector<std::string> parts;
    while (!text.empty()) {
        const auto end = std::min(text.find(separator), text.size());
        parts.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return parts;
}

bool is_python_name(std::string_view text) {
    const auto is_letter = [](char letter) {
        return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || letter == '_';
    };
    const auto is_part = [&](char letter) { return is_letter(letter) || (letter >= '0' && letter <= '9'); };
    return !text.empty() && text.size() <= kMostPythonName && is_letter(text.front()) &&
           std::all_of(text.begin(), text.end(), is_part);
}

bool is_dotted_python_name(std::string_view text) {
    if (text.size() > kMostPythonName) {
        return false;
    }
    for (;;) {
        const auto dot = text.find('.');
        if (!is_python_name(text.substr(0, dot))) {
            return false;
        }
        if (dot == std::string_view::npos) {
            return true;
        }
        text.remove_prefix(dot + 1);
    }
}

std::string hex(std::string_view bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string out;
    out.reserve(bytes.size() * 2);
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        out += kDigits[byte >> 4U];
        out += kDigits[byte & 15U];
    }
    return out;
}

std::string utc_text(std::chrono::system_clock::time_point time, int digits) {
    const auto whole = std::chrono::floor<std::chrono::seconds>(time);
    const std::time_t seconds = std::chrono::system_clock::to_time_t(whole);
    std::tm utc{};
    ::gmtime_r(&seconds, &utc);
    std::array<char, 40> date{};
    const std::size_t size = std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &utc);
    const auto fraction = std::chrono::duration_cast<std::chrono::microseconds>(time - whole).count();
    const std::string text = std::to_string(1'000'000 + fraction).substr(1, static_cast<std::size_t>(digits));
    return std::string(date.data(), size) + "." + text + "Z";
}

std::string printable(std::string_view text) {
    text = text.substr(text.size() > kMostPrintable ? text.size() - kMostPrintable : 0);
    std::string out;
    while (!text.empty()) {
        const std::size_t size = utf8_length(text, 0);
        const auto lead = static_cast<unsigned char>(text[0]);
        const bool c1 = size == 2 && lead == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0;
        const bool control = c1 || (size == 1 && (lead < 0x20 || lead == 0x7f));
        if (size == 0 || (control && text[0] != '\n' && text[0] != '\t')) {
            out += '?';
        } else {
            out += text.substr(0, size);
        }
        text.remove_prefix(size == 0 ? 1 : size);
    }
    while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) {
        out.pop_back();
    }
    return out;
}

}  // namespace cellblock::sandbox
