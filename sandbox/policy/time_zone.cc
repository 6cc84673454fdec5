// A zone's name or a POSIX rule, as TZ has it.
#include "sandbox/policy/time_zone.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string_view>

namespace cellblock::sandbox {

namespace {

constexpr std::size_t kLongest = 64;

bool is_zone(std::string_view text) {
    const bool clean = std::all_of(text.begin(), text.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 ||
               std::string_view("_+-,./:<>").find(static_cast<char>(c)) != std::string_view::npos;
    });
    return clean && !text.empty() && text.size() <= kLongest && text.front() != '/' &&
           !text.starts_with(":/") && text.find("..") == std::string_view::npos;
}

}  // namespace

void pass_time_zone(Policy& policy) {
    const char* zone = std::getenv("TZ");
    const bool is_said = std::any_of(policy.environment.begin(), policy.environment.end(),
                                     [](const EnvironmentRule& rule) { return rule.name == "TZ"; });
    if (zone != nullptr && !is_said && is_zone(zone)) {
        policy.environment.push_back({"TZ", zone});
    }
}

}  // namespace cellblock::sandbox
