// The one table of policy keys.
//
// Purpose: each row is a key with its type, default, bounds and meaning, and
// how to read it from JSON and write it back. Parser, defaults, `cellblock
// policy show` and the reference all walk this table; a new key is a new row.
// Ownership: a constant, built on first use. Threads: read-only.
// Failure: read() gives an Error whose step is the key's dotted path and whose
// message names the value found and what is allowed.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "sandbox/api/policy.h"

namespace cellblock::sandbox {

struct PolicyKey {
    std::string path;      // "limits.memory"
    std::string type;      // "size", in words
    std::string fallback;  // the default, as JSON text
    std::string allowed;   // bounds or choices, in words
    std::string meaning;
    std::function<Status(const nlohmann::json&, Policy&)> read;
    std::function<nlohmann::ordered_json(const Policy&)> write;
};

const std::vector<PolicyKey>& policy_table();

// Its rows of `packages`.
std::vector<PolicyKey> package_keys();

}  // namespace cellblock::sandbox
