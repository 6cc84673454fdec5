// A policy's text as JSON: bounded, and stricter than JSON itself.
//
// Purpose: 64 KiB at most, 16 levels at most, an object, no key twice (JSON's
// readers keep one of the two, and not all the same one).
// Ownership: plain values. Threads: no shared state.
// Failure: an Error whose message says where: line and column, or the key's path.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "sandbox/api/result.h"

namespace cellblock::sandbox {

inline constexpr std::size_t kMaxPolicyBytes = 64U << 10;
inline constexpr std::size_t kMaxPolicyDepth = 16;

// Its text: of a regular file, since a pipe or a device might never end; what is too long the parser refuses.
// `step`: for the Error.
Result<std::string> read_document(const std::string& path, const std::string& step);

Result<nlohmann::json> parse_policy_document(std::string_view text);

}  // namespace cellblock::sandbox
