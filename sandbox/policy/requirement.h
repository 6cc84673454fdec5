// What may be installed, and what a cell asks for.
//
// Purpose: the strict part of PEP 508 that a policy's `packages.allow` and a
// cell's `%pip install` may use: a name, extras, version specifiers. No URL, no
// path, no marker, no option: what is read here is written into files that pip
// reads as lines. Names are compared as PEP 503 says.
// Ownership: plain values. Threads: pure.
// Failure: an Error that names the text at fault and what is allowed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sandbox/api/result.h"

namespace cellblock::sandbox {

struct PackageRules;

struct PackageRequirement {
    std::string name;        // as written
    std::string extras;      // "[a,b]", or empty
    std::string specifiers;  // ">=1,<2", or empty

    [[nodiscard]] std::string text() const { return name + extras + specifiers; }
};

constexpr std::size_t kMostRequirements = 32;
constexpr std::size_t kMostRequirementBytes = 256;

// PEP 503: lower case, and runs of - _ . are one "-".
std::string normal_name(std::string_view name);

bool is_project_name(std::string_view text);
bool is_version(std::string_view text);

Result<PackageRequirement> parse_requirement(std::string_view text);

// What pip is told: the requirements, and the lines that bound every version, dependencies too.
struct Order {
    std::vector<std::string> requirements;
    std::vector<std::string> constraints;
};

// Refuses by name what isn't allowed.
Result<Order> make_order(const std::vector<std::string>& asked, const PackageRules& rules,
                         const std::string& policy_name);

// Whether `name` stands in `packages.allow` ("*" is any).
bool is_allowed(std::string_view name, const PackageRules& rules);

}  // namespace cellblock::sandbox
