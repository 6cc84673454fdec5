#include "sandbox/base/base64.h"

#include <utility>

namespace cellblock::sandbox {

namespace {

constexpr int kNoDigit = -1;
constexpr unsigned kBitsOfDigit = 6;

int digit(char c) {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : kNoDigit;
}

bool is_blank(char c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

}  // namespace

std::optional<std::string> decode_base64(std::string_view text) {
    std::string out;
    out.reserve(text.size() / 4 * 3);
    unsigned bits = 0;
    unsigned count = 0;  // of bits that have become no byte yet
    std::size_t padding = 0;
    for (const char c : text) {
        if (is_blank(c)) {
            continue;
        }
        const int value = digit(c);
        padding += c == '=' ? 1 : 0;
        if ((value == kNoDigit && c != '=') || (value != kNoDigit && padding > 0) || padding > 2) {
            return std::nullopt;
        }
        if (c == '=') {
            continue;
        }
        bits = bits << kBitsOfDigit | static_cast<unsigned>(value);
        count += kBitsOfDigit;
        if (count >= 8) {
            count -= 8;
            out += static_cast<char>(bits >> count & 0xffU);
        }
    }
    return count == kBitsOfDigit ? std::nullopt : std::optional(std::move(out));  // no byte has one digit
}

}  // namespace cellblock::sandbox
