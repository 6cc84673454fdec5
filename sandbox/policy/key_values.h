// How single values of a policy are read, checked and written.
//
// Purpose: the helpers behind the table's rows. JSON types are never coerced:
// true is no number and "128" is no count.
// Ownership: plain values. Threads: no shared state.
// Failure: an Error with the key's dotted path as its step.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "sandbox/api/policy.h"

namespace cellblock::sandbox {

// "found X; allowed: Y", for any key.
Error wrong_value(const std::string& path, const nlohmann::json& found, const std::string& allowed);

Result<std::chrono::milliseconds> read_duration(const std::string& path, const nlohmann::json& value,
                                                std::chrono::milliseconds least,
                                                std::chrono::milliseconds most);
Result<std::uint64_t> read_size(const std::string& path, const nlohmann::json& value, std::uint64_t least,
                                std::uint64_t most);
Result<std::uint32_t> read_count(const std::string& path, const nlohmann::json& value, std::uint32_t least,
                                 std::uint32_t most);
Result<double> read_number(const std::string& path, const nlohmann::json& value, double least, double most);
Result<bool> read_flag(const std::string& path, const nlohmann::json& value);
Result<std::string> read_text(const std::string& path, const nlohmann::json& value, std::size_t most_bytes);

Status read_engines(const nlohmann::json& value, Policy& policy);
nlohmann::ordered_json write_engines(const Policy& policy);
Result<std::string> read_destination(const std::string& path, const nlohmann::json& value);
Result<std::string> read_audit_path(const std::string& path, const nlohmann::json& value);
Result<std::string> read_history(const std::string& path, const nlohmann::json& value);
Result<std::string> read_python(const std::string& path, const nlohmann::json& value);
Result<std::vector<std::string>> read_modules(const std::string& path, const nlohmann::json& value);
Result<std::optional<std::vector<std::string>>> read_imports(const std::string& path,
                                                             const nlohmann::json& value);
Result<Requirement> read_require(const std::string& path, const nlohmann::json& value);
Result<HtmlRule> read_html_rule(const std::string& path, const nlohmann::json& value);
Result<std::vector<std::string>> read_mime_types(const std::string& path, const nlohmann::json& value);
Result<std::vector<std::string>> read_comm_targets(const std::string& path, const nlohmann::json& value);
Result<NetworkMode> read_network(const std::string& path, const nlohmann::json& value);
Result<std::vector<std::string>> read_packages(const std::string& path, const nlohmann::json& value);
Result<std::vector<FileRule>> read_files(const std::string& path, const nlohmann::json& value);
Result<std::vector<EnvironmentRule>> read_environment(const std::string& path, const nlohmann::json& value);

// Exact, so that what is written reads back to the same: "90s", "256MiB", "200MB".
std::string exact_duration(std::chrono::milliseconds value);
std::string exact_size(std::uint64_t bytes);

const char* name_of(NetworkMode mode);
const char* name_of(HtmlRule rule);
const char* name_of(FileMode mode);

// What was likely meant by "30" or "5 min", by "512M": "30s", "5m", "512MiB". Empty where nobody can tell.
std::string meant_duration(std::string_view text);
std::string meant_size(std::string_view text);

// "did you mean …": the candidate nearest to what was written; empty if none is near.
std::string nearest(const std::string& written, const std::vector<std::string>& candidates);

}  // namespace cellblock::sandbox
