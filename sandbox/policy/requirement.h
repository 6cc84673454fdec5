// Package requirements: "pandas>=2,<3", as in a policy's `packages.allow` and in a cell's `%pip install`.
//
// Of PEP 508 only names, extras and version specifiers are allowed; no URL, path, marker or option, because
// requirements are written into files that pip reads line by line. Names are compared as PEP 503 says:
//
//     auto order = package_order({"pandas", "seaborn"}, policy.packages, policy.name);   // what to tell pip
//
// Pure functions. An Error names the text at fault and what is allowed.
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

// The requirements that pip is told to install, and the constraints that bound all versions, also those of
// dependencies.
struct PackageOrder {
    std::vector<std::string> requirements;
    std::vector<std::string> constraints;
};

// Error: names the package that isn't allowed.
Result<PackageOrder> package_order(const std::vector<std::string>& asked, const PackageRules& rules,
                                   const std::string& policy_name);

// Tells whether `packages.allow` contains `name`, or "*".
bool is_allowed(std::string_view name, const PackageRules& rules);

}  // namespace cellblock::sandbox
