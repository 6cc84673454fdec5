// Requirements of packages.
#include "sandbox/policy/requirement.h"

#include <algorithm>
#include <array>

#include "sandbox/api/policy.h"

namespace cellblock::sandbox {

namespace {

constexpr const char* kAnything = "*";
constexpr auto kOperators = std::to_array<std::string_view>({"~=", "==", "!=", "<=", ">=", "<", ">"});

bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_name_part(char c) {
    return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.';
}

// Nothing, where a space stands between two words: "a b" is no name.
std::string without_spaces(std::string_view text) {
    std::string out;
    bool spaced = false;
    for (const char c : text) {
        if (c == ' ' || c == '\t') {
            spaced = true;
            continue;
        }
        if (spaced && !out.empty() && is_name_part(c) && is_name_part(out.back())) {
            return {};
        }
        out += c;
        spaced = false;
    }
    return out;
}

// One of "a,b,c", cut off the front.
std::string_view next_part(std::string_view& list) {
    const auto comma = list.find(',');
    const auto part = list.substr(0, comma);
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    return part;
}

template <class Good>
bool is_list_of(std::string_view list, Good good) {
    if (list.empty() || list.back() == ',') {
        return false;
    }
    while (!list.empty()) {
        if (!good(next_part(list))) {
            return false;
        }
    }
    return true;
}

bool is_specifier(std::string_view text) {
    for (const auto sign : kOperators) {
        if (text.starts_with(sign)) {
            text.remove_prefix(sign.size());
            const bool any = (sign == "==" || sign == "!=") && text.ends_with(".*");
            return is_version(any ? text.substr(0, text.size() - 2) : text);
        }
    }
    return false;
}

Error not_a_requirement(std::string_view text) {
    return Error{
        "requirement \"" + std::string(text.substr(0, kMostRequirementBytes)) + "\"",
        0,
        "only a name with version ranges is understood, for example \"pandas>=2,<3\"; no address, no "
        "path, no marker, no option",
        {}};
}

Error not_allowed(const PackageRequirement& asked, const PackageRules& rules,
                  const std::string& policy_name) {
    std::string allowed;
    for (const auto& one : rules.allow) {
        allowed += (allowed.empty() ? "" : ", ") + one;
    }
    return Error{"install " + asked.name, 0,
                 "the policy doesn't allow this package (policy \"" + policy_name +
                     "\", key packages.allow: " + (allowed.empty() ? "nothing" : allowed) + ")",
                 "Who keeps the policy's file may change that"};
}

}  // namespace

std::string normal_name(std::string_view name) {
    std::string out;
    for (const char c : name) {
        const bool separator = c == '-' || c == '_' || c == '.';
        if (!separator) {
            out += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
        } else if (out.empty() || out.back() != '-') {
            out += '-';
        }
    }
    return out;
}

bool is_project_name(std::string_view text) {
    return !text.empty() && text.size() <= 128 && is_letter_or_digit(text.front()) &&
           is_letter_or_digit(text.back()) && std::all_of(text.begin(), text.end(), is_name_part);
}

bool is_version(std::string_view text) {
    return !text.empty() && text.size() <= 64 && is_letter_or_digit(text.front()) &&
           std::all_of(text.begin(), text.end(),
                       [](char c) { return is_name_part(c) || c == '!' || c == '+'; });
}

Result<PackageRequirement> parse_requirement(std::string_view text) {
    if (text.size() > kMostRequirementBytes) {
        return not_a_requirement(text);
    }
    const std::string dense = without_spaces(text);
    std::string_view rest = dense;
    PackageRequirement out;
    const auto end = std::find_if_not(rest.begin(), rest.end(), is_name_part);
    out.name = std::string(rest.begin(), end);
    rest.remove_prefix(out.name.size());
    if (rest.starts_with('[')) {
        const auto close = rest.find(']');
        if (close == std::string_view::npos || !is_list_of(rest.substr(1, close - 1), is_project_name)) {
            return not_a_requirement(text);
        }
        out.extras = rest.substr(0, close + 1);
        rest.remove_prefix(close + 1);
    }
    out.specifiers = rest;
    if (!is_project_name(out.name) || (!rest.empty() && !is_list_of(rest, is_specifier))) {
        return not_a_requirement(text);
    }
    return out;
}

bool is_allowed(std::string_view name, const PackageRules& rules) {
    const std::string wanted = normal_name(name);
    return std::any_of(rules.allow.begin(), rules.allow.end(), [&](const std::string& allowed) {
        if (allowed == kAnything) {
            return true;
        }
        const auto rule = parse_requirement(allowed);
        return rule && normal_name(rule->name) == wanted;
    });
}

Result<PackageOrder> package_order(const std::vector<std::string>& asked, const PackageRules& rules,
                                   const std::string& policy_name) {
    if (asked.empty() || asked.size() > kMostRequirements) {
        return Error{
            "install packages", 0, "name 1 to " + std::to_string(kMostRequirements) + " packages", {}};
    }
    PackageOrder order;
    for (const auto& text : asked) {
        CELLBLOCK_ASSIGN_OR_RETURN(auto requirement, parse_requirement(text));
        if (!is_allowed(requirement.name, rules)) {
            return not_allowed(requirement, rules, policy_name);
        }
        order.requirements.push_back(requirement.text());
    }
    for (const auto& allowed : rules.allow) {
        const auto rule = parse_requirement(allowed);
        if (rule && !rule->specifiers.empty()) {
            order.constraints.push_back(normal_name(rule->name) + rule->specifiers);
        }
    }
    return order;
}

}  // namespace cellblock::sandbox
