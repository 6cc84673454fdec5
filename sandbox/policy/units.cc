// Durations and sizes as text: "1.5m" and "256MiB", both ways.
//
// Numbers are read as decimal digits by hand: no locale, no sign, no exponent,
// and nothing that overflows.
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <optional>

#include "sandbox/api/policy.h"
#include "sandbox/base/text.h"
#include "sandbox/policy/key_values.h"

namespace cellblock::sandbox {

namespace {

struct Unit {
    std::string_view name;
    double factor;
};

constexpr std::array<Unit, 4> kDurationUnits{{{"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"h", 3.6e6}}};
constexpr std::array<Unit, 9> kSizeUnits{{{"", 1},
                                          {"B", 1},
                                          {"kB", 1e3},
                                          {"MB", 1e6},
                                          {"GB", 1e9},
                                          {"KiB", 1024},
                                          {"MiB", 1024.0 * 1024},
                                          {"GiB", 1024.0 * 1024 * 1024},
                                          {"TiB", 1024.0 * 1024 * 1024 * 1024}}};

// Beyond this a double no longer holds every integer; nobody needs more.
constexpr double kMost = 9007199254740992.0;
constexpr std::size_t kMaxText = 32;

bool is_digit(char letter) {
    return letter >= '0' && letter <= '9';
}

// The number at the front of the text ("12", "1.5"), which is cut off.
std::optional<double> take_number(std::string_view& text) {
    double value = 0;
    double scale = 1;
    bool point = false;
    bool digit_last = false;
    std::size_t used = 0;
    for (; used < text.size(); ++used) {
        const char letter = text[used];
        if (is_digit(letter)) {
            value = value * 10 + (letter - '0');
            scale *= point ? 10 : 1;
            digit_last = true;
        } else if (letter == '.' && !point && digit_last) {
            point = true;
            digit_last = false;
        } else {
            break;
        }
    }
    text.remove_prefix(used);
    return digit_last ? std::optional(value / scale) : std::nullopt;
}

template <std::size_t Count>
std::optional<double> take_amount(std::string_view text, const std::array<Unit, Count>& units) {
    if (text.size() > kMaxText) {
        return std::nullopt;
    }
    const auto number = take_number(text);
    if (!number) {
        return std::nullopt;
    }
    if (!text.empty() && text.front() == ' ') {
        text.remove_prefix(1);
    }
    for (const auto& unit : units) {
        if (text == unit.name) {
            return *number * unit.factor;
        }
    }
    return std::nullopt;
}

Error bad_amount(std::string_view text, const std::string& what, const std::string& meant,
                 const std::string& allowed) {
    return Error{"",
                 0,
                 "\"" + std::string(text.substr(0, kMaxText)) + "\" is not " + what + "; " +
                     (meant.empty() ? "" : "did you mean \"" + meant + "\"? ") + allowed,
                 {}};
}

// The number as it was written and the unit that begins with the same letters; no unit: `usual`.
template <class Words>
std::string with_unit(std::string_view text, const Words& words, const char* usual) {
    const auto end = text.find_first_not_of("0123456789.");
    const std::string number(text.substr(0, end));
    std::string_view rest = text;
    const auto value = text.size() <= kMaxText ? take_number(rest) : std::nullopt;
    if (!value || *value <= 0) {
        return {};
    }
    std::string unit;
    for (const char letter : rest) {
        unit += letter == ' ' ? "" : lower(std::string_view(&letter, 1));
    }
    if (unit.empty()) {
        return number + usual;
    }
    for (const auto& [word, meant] : words) {
        if (unit == word) {
            return number + meant;
        }
    }
    return {};
}

using Word = std::pair<std::string_view, const char*>;
constexpr std::array<Word, 18> kWordsOfTime{{{"s", "s"},
                                             {"sec", "s"},
                                             {"secs", "s"},
                                             {"second", "s"},
                                             {"seconds", "s"},
                                             {"m", "m"},
                                             {"min", "m"},
                                             {"mins", "m"},
                                             {"minute", "m"},
                                             {"minutes", "m"},
                                             {"h", "h"},
                                             {"hr", "h"},
                                             {"hrs", "h"},
                                             {"hour", "h"},
                                             {"hours", "h"},
                                             {"ms", "ms"},
                                             {"msec", "ms"},
                                             {"millis", "ms"}}};
constexpr std::array<Word, 17> kWordsOfSize{{{"k", "KiB"},
                                             {"kb", "kB"},
                                             {"kib", "KiB"},
                                             {"ki", "KiB"},
                                             {"m", "MiB"},
                                             {"mb", "MB"},
                                             {"mib", "MiB"},
                                             {"mi", "MiB"},
                                             {"g", "GiB"},
                                             {"gb", "GB"},
                                             {"gib", "GiB"},
                                             {"gi", "GiB"},
                                             {"t", "TiB"},
                                             {"ti", "TiB"},
                                             {"tib", "TiB"},
                                             {"b", "B"},
                                             {"bytes", "B"}}};

// At most two decimals and no trailing zeros: 1.5, 16, 0.25.
std::string short_number(double value) {
    std::array<char, 64> text{};
    const int length = std::snprintf(text.data(), text.size(), "%.2f", value);
    std::string out(text.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
    while (!out.empty() && out.back() == '0') {
        out.pop_back();
    }
    if (!out.empty() && out.back() == '.') {
        out.pop_back();
    }
    return out;
}

}  // namespace

std::string meant_duration(std::string_view text) {
    return with_unit(text, kWordsOfTime, "s");
}

std::string meant_size(std::string_view text) {
    return with_unit(text, kWordsOfSize, "B");
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
    const auto amount = take_amount(text, kDurationUnits);
    if (!amount || *amount > kMost) {
        return bad_amount(text, "a duration", meant_duration(text),
                          "write a number and one of ms, s, m, h, for example \"90s\" or \"1.5m\"");
    }
    return std::chrono::milliseconds(std::llround(*amount));
}

Result<std::uint64_t> parse_size(std::string_view text) {
    const auto amount = take_amount(text, kSizeUnits);
    if (!amount || *amount > kMost) {
        return bad_amount(
            text, "a size", meant_size(text),
            "write a number and one of B, kB, MB, GB, KiB, MiB, GiB, TiB, for example \"256MiB\"");
    }
    return static_cast<std::uint64_t>(std::llround(*amount));
}

std::string format_duration(std::chrono::milliseconds value) {
    const auto count = value.count();
    if (count < 1000) {
        return std::to_string(count) + " ms";
    }
    if (count % 3'600'000 == 0) {
        return std::to_string(count / 3'600'000) + " h";
    }
    if (count >= 120'000 && count % 60'000 == 0) {  // a limit of a minute is read as 60 s
        return std::to_string(count / 60'000) + " min";
    }
    return short_number(static_cast<double>(count) / 1e3) + " s";
}

std::string format_size(std::uint64_t bytes) {
    // "200MB" of a policy is told as that, not as 190.73 MiB.
    constexpr std::uint64_t kMega = 1'000'000;
    constexpr std::uint64_t kPart = (1U << 20) / 64;
    if (bytes > 0 && bytes % kMega == 0 && bytes % kPart != 0) {
        const bool giga = bytes % (10 * kMega) == 0 && bytes >= 1000 * kMega;
        return short_number(static_cast<double>(bytes) / (giga ? 1e9 : 1e6)) + (giga ? " GB" : " MB");
    }
    constexpr std::array<const char*, 5> kNames{"B", "KiB", "MiB", "GiB", "TiB"};
    std::size_t step = 0;
    auto value = static_cast<double>(bytes);
    while (value >= 1024 && step + 1 < kNames.size()) {
        value /= 1024;
        ++step;
    }
    return short_number(value) + " " + kNames[step];
}

}  // namespace cellblock::sandbox
