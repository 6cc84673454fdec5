// A policy's document: a JSON object of at most 64 KiB and 16 levels, in which no key comes twice.
//
// JSON itself allows a key twice, and readers differ in which of the two they keep; a policy must mean one
// thing. Plain functions without shared state. An Error says where the fault is: by line and column, or by
// the key's path.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "sandbox/api/result.h"

namespace cellblock::sandbox {

inline constexpr std::size_t kMaxPolicyBytes = 64U << 10;
inline constexpr std::size_t kMaxPolicyDepth = 16;

// The text of a policy's file. Only regular files are read, since a pipe or a device might never end, and
// none that is longer than a policy may be. `step` is the Error's step.
Result<std::string> read_document(const std::string& path, const std::string& step);

Result<nlohmann::json> parse_policy_document(std::string_view text);

}  // namespace cellblock::sandbox
