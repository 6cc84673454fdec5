// Reading the policy's keys that have rules of their own: engines, paths, modules, layers,
// environment.
//
// The rows of key_table.cc use these functions. `path` is the key's dotted path. Pure functions, but for
// those of paths that begin with "~/", which read $HOME. Each Error has the path (with the entry of a list)
// as its step, and names the value that was found and what is allowed.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/api/policy.h"

namespace cellblock::sandbox {

Status read_engines(const nlohmann::json& value, Policy& policy);
nlohmann::ordered_json write_engines(const Policy& policy);
Result<std::string> read_destination(const std::string& path, const nlohmann::json& value);
Result<std::string> read_audit_path(const std::string& path, const nlohmann::json& value);
Result<std::string> read_history(const std::string& path, const nlohmann::json& value);
Result<std::string> read_python(const std::string& path, const nlohmann::json& value);
Status read_preload(const nlohmann::json& value, Policy& policy);
nlohmann::ordered_json write_preload(const Policy& policy);
Result<Warm> read_warm(const std::string& path, const nlohmann::json& value);
nlohmann::ordered_json write_warm(Warm warm);
Result<std::optional<std::vector<std::string>>> read_imports(const std::string& path,
                                                             const nlohmann::json& value);
Result<Requirement> read_require(const std::string& path, const nlohmann::json& value);
Result<HtmlRule> read_html_rule(const std::string& path, const nlohmann::json& value);
Result<std::vector<std::string>> read_mime_types(const std::string& path, const nlohmann::json& value);
Result<std::vector<std::string>> read_comm_targets(const std::string& path, const nlohmann::json& value);
Result<std::vector<std::string>> read_packages(const std::string& path, const nlohmann::json& value);
Result<std::vector<EnvironmentRule>> read_environment(const std::string& path, const nlohmann::json& value);

}  // namespace cellblock::sandbox
