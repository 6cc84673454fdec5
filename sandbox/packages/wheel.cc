// Wheels' names.
#include "sandbox/packages/wheel.h"

#include <algorithm>

#include "sandbox/policy/requirement.h"

namespace cellblock::sandbox {

Result<WheelName> parse_wheel_name(std::string_view file) {
    constexpr std::string_view kEnd = ".whl";
    constexpr std::size_t kMost = 250;
    const Error bad{
        "install packages", 0, "\"" + std::string(file.substr(0, kMost)) + "\" is no wheel's name", {}};
    if (file.size() > kMost || !file.ends_with(kEnd)) {
        return bad;
    }
    // name-version(-build)-python-abi-platform
    const std::string_view stem = file.substr(0, file.size() - kEnd.size());
    const auto dashes = std::count(stem.begin(), stem.end(), '-');
    const auto first = stem.find('-');
    if (dashes < 4 || dashes > 5) {
        return bad;
    }
    const auto second = stem.find('-', first + 1);
    const auto version = stem.substr(first + 1, second - first - 1);
    const auto fits = [](char c) {
        return is_project_name(std::string_view(&c, 1)) ||
               std::string_view("-_.+!").find(c) != std::string_view::npos;
    };
    if (!is_project_name(stem.substr(0, first)) || !is_version(version) ||
        !std::all_of(stem.begin(), stem.end(), fits)) {
        return bad;
    }
    return WheelName{std::string(file), normal_name(stem.substr(0, first)), std::string(version)};
}

}  // namespace cellblock::sandbox
