// Reading and writing the policy's key `network`.
//
// "none", or an object: {"allow": [rules], "deny": [rules], "connections": 32, "bytes_out": "10MiB",
// "bytes_in": "1GiB"}. A rule is a text; one of `allow` may be {"host": text, "methods": ["GET"], "paths":
// ["/v1/"], "header": {"Authorization": {"secret": "NAME", "prefix": "Bearer "}}}. An Error has the path of
// what is wrong as its step. Pure functions.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "sandbox/api/policy.h"

namespace cellblock::sandbox {

Result<NetworkRules> read_network(const std::string& path, const nlohmann::json& value);
nlohmann::ordered_json write_network(const NetworkRules& rules);

}  // namespace cellblock::sandbox
