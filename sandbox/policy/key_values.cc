// Reading and writing values of the types that keys have: durations, sizes, numbers, texts.
#include "sandbox/policy/key_values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <numeric>

namespace cellblock::sandbox {

namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr std::size_t kMostShown = 60;

std::string shown(const json& value) {
    std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
    if (text.size() > kMostShown) {
        text.resize(kMostShown);
        text += " …";
    }
    return text;
}

// "; did you mean …" for a number or a text that is nearly an amount; `meant` is what it would be written as.
std::string or_meant(const json& value, std::string (*meant)(std::string_view), auto fits) {
    const std::string text = value.is_string()   ? value.get<std::string>()
                             : value.is_number() ? value.dump()
                                                 : std::string();
    const std::string guess = meant(text);
    return guess.empty() || !fits(guess) ? "" : "; did you mean \"" + guess + "\"?";
}

std::string plain(double value) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%g", value);
    return text.data();
}

std::size_t distance(const std::string& left, const std::string& right) {
    std::vector<std::size_t> row(right.size() + 1);
    std::iota(row.begin(), row.end(), 0);
    for (std::size_t i = 0; i < left.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < right.size(); ++j) {
            const std::size_t changed = diagonal + (left[i] == right[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({changed, row[j] + 1, diagonal + 1});
        }
    }
    return row.back();
}

}  // namespace

Error wrong_value(const std::string& path, const json& found, const std::string& allowed) {
    return Error{path, 0, "found " + shown(found) + "; allowed: " + allowed, {}};
}

Result<milliseconds> read_duration(const std::string& path, const json& value, milliseconds least,
                                   milliseconds most) {
    const std::string allowed = "a duration from " + exact_duration(least) + " to " + exact_duration(most) +
                                ", as text with a unit (ms, s, m, h)";
    const auto fits = [&](const std::string& text) {
        auto time = parse_duration(text);
        return time && *time >= least && *time <= most;
    };
    if (!value.is_string() || !fits(value.get_ref<const std::string&>())) {
        const std::string example = value.is_string() ? "" : ", for example \"90s\"";
        return wrong_value(path, value, allowed + example + or_meant(value, &meant_duration, fits));
    }
    return parse_duration(value.get_ref<const std::string&>());
}

Result<std::uint64_t> read_size(const std::string& path, const json& value, std::uint64_t least,
                                std::uint64_t most) {
    const std::string allowed = "a size from " + exact_size(least) + " to " + exact_size(most) +
                                ", as text with a unit (B, kB, MB, GB, KiB, MiB, GiB, TiB)";
    const auto fits = [&](const std::string& text) {
        auto bytes = parse_size(text);
        return bytes && *bytes >= least && *bytes <= most;
    };
    if (!value.is_string() || !fits(value.get_ref<const std::string&>())) {
        const std::string example = value.is_string() ? "" : ", for example \"256MiB\"";
        return wrong_value(path, value, allowed + example + or_meant(value, &meant_size, fits));
    }
    return parse_size(value.get_ref<const std::string&>());
}

Result<std::uint32_t> read_count(const std::string& path, const json& value, std::uint32_t least,
                                 std::uint32_t most) {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() < least ||
        value.get<std::uint64_t>() > most) {
        return wrong_value(path, value,
                           "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    }
    return value.get<std::uint32_t>();
}

Result<double> read_number(const std::string& path, const json& value, double least, double most) {
    const bool fits = value.is_number() && value.get<double>() >= least && value.get<double>() <= most;
    if (!fits) {
        return wrong_value(path, value, "a number from " + plain(least) + " to " + plain(most));
    }
    return value.get<double>();
}

Result<std::optional<double>> read_share(const std::string& path, const json& value) {
    const auto* text = value.get_ptr<const std::string*>();
    if (text == nullptr || !text->ends_with('%')) {
        return std::optional<double>();
    }
    int percent = 0;
    const char* const end = text->data() + text->size() - 1;
    const auto read = std::from_chars(text->data(), end, percent);
    if (read.ec != std::errc() || read.ptr != end || percent < 1 || percent > 100) {
        return wrong_value(path, value, "a share from \"1%\" to \"100%\", in whole percents");
    }
    return std::optional<double>(percent / 100.0);
}

Result<bool> read_flag(const std::string& path, const json& value) {
    if (!value.is_boolean()) {
        return wrong_value(path, value, "true or false");
    }
    return value.get<bool>();
}

Result<std::string> read_text(const std::string& path, const json& value, std::size_t most_bytes) {
    const auto* text = value.get_ptr<const std::string*>();
    if (text == nullptr || text->size() > most_bytes || text->find('\0') != std::string::npos) {
        return wrong_value(path, value, "text of at most " + std::to_string(most_bytes) + " bytes");
    }
    return *text;
}

std::string entry(const std::string& path, std::size_t index) {
    return path + "[" + std::to_string(index) + "]";
}

Result<std::vector<std::string>> read_names(const std::string& path, const json& value,
                                            bool (*is_good)(std::string_view), const char* allowed,
                                            const char* allowed_entry) {
    if (!value.is_array() || value.size() > kMostEntries) {
        return wrong_value(path, value, allowed);
    }
    std::vector<std::string> out;
    for (std::size_t index = 0; index < value.size(); ++index) {
        const auto* name = value[index].get_ptr<const std::string*>();
        if (name == nullptr || !is_good(*name)) {
            return wrong_value(entry(path, index), value[index], allowed_entry);
        }
        out.push_back(*name);
    }
    return out;
}

std::string exact_duration(milliseconds value) {
    const auto count = value.count();
    if (count % 1000 != 0 || count == 0) {
        return std::to_string(count) + "ms";
    }
    if (count % 3'600'000 == 0) {
        return std::to_string(count / 3'600'000) + "h";
    }
    if (count % 60'000 == 0) {
        return std::to_string(count / 60'000) + "m";
    }
    return std::to_string(count / 1000) + "s";
}

std::string exact_size(std::uint64_t bytes) {
    constexpr std::array<const char*, 4> kDecimal{"B", "kB", "MB", "GB"};
    std::size_t thousands = 0;
    std::uint64_t left = bytes;
    while (left != 0 && left % 1000 == 0 && thousands + 1 < kDecimal.size()) {
        left /= 1000;
        ++thousands;
    }
    constexpr std::array<const char*, 5> kNames{"B", "KiB", "MiB", "GiB", "TiB"};
    std::size_t step = 0;
    while (bytes != 0 && bytes % 1024 == 0 && step + 1 < kNames.size()) {
        bytes /= 1024;
        ++step;
    }
    if (thousands > step) {
        return std::to_string(left) + kDecimal[thousands];
    }
    return std::to_string(bytes) + kNames[step];
}

std::string exact_share(double share) {
    return std::to_string(std::lround(share * 100)) + "%";
}

const char* name_of(HtmlRule rule) {
    switch (rule) {
        case HtmlRule::sanitize:
            return "sanitize";
        case HtmlRule::drop:
            return "drop";
        case HtmlRule::trust:
            return "trust";
    }
    return "";
}

const char* name_of(FileMode mode) {
    switch (mode) {
        case FileMode::read:
            return "read";
        case FileMode::overlay:
            return "overlay";
        case FileMode::empty:
            return "empty";
    }
    return "";
}

std::string nearest(const std::string& written, const std::vector<std::string>& candidates) {
    constexpr std::size_t kMostCompared = 64;
    if (written.size() > kMostCompared) {
        return {};
    }
    std::string best;
    std::size_t best_distance = std::max<std::size_t>(2, written.size() / 3) + 1;
    for (const auto& candidate : candidates) {
        const std::string last = candidate.substr(candidate.rfind('.') + 1);
        const std::size_t far = std::min(distance(written, candidate), distance(written, last));
        if (far < best_distance) {
            best_distance = far;
            best = candidate;
        }
    }
    return best;
}

}  // namespace cellblock::sandbox
