// Reading and writing the policy's key `files`: what is shown of the host, and what the host keeps.
//
// As in key_readers.h: `path` is the key's dotted path, and each Error has it, with the entry, as its step.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "sandbox/api/policy.h"

namespace cellblock::sandbox {

Result<std::vector<FileRule>> read_files(const std::string& path, const nlohmann::json& value);
nlohmann::ordered_json write_files(const std::vector<FileRule>& rules);

}  // namespace cellblock::sandbox
