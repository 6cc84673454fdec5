// The table of policy keys.
//
// Each row is a key: its type, default, bounds and meaning, and how it is read from JSON and written back.
// Parser, defaults, `cellblock policy show` and the reference are made from this table, so a new key is a new
// row:
//
//     PolicyKey{"limits.processes", "whole number", "128", "1 to 65536", "Processes and threads at a time
//     ...",
//               [](const json& value, Policy& policy) { ... read_count("limits.processes", value, 1, 65536)
//               ... },
//               [](const Policy& policy) { return policy.limits.processes; }},
//
// The Error of PolicyKey::read has the key's dotted path as its step, and a message that names the value that
// was found and the values that are allowed. The table is a constant, built on first use; any thread may read
// it.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "sandbox/api/policy.h"

namespace cellblock::sandbox {

struct PolicyKey {
    std::string path;      // "limits.memory"
    std::string type;      // for people: "size"
    std::string fallback;  // the default, as JSON text
    std::string allowed;   // for people: bounds or choices
    std::string meaning;
    std::function<Status(const nlohmann::json&, Policy&)> read;
    std::function<nlohmann::ordered_json(const Policy&)> write;
};

const std::vector<PolicyKey>& policy_table();

}  // namespace cellblock::sandbox
