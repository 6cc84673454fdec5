// JSON that a sandbox sent, checked before anything is built from it.
//
// Purpose: a linear scan bounds the depth first, because a parser's tree of
// nested values is as deep as its sender likes. Ownership: plain values.
// Threads: no shared state. Failure: an Error that says what is wrong.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string_view>

#include "sandbox/base/result.h"

namespace cellblock::sandbox {

// True if brackets outside of strings nest no deeper than max_depth.
bool json_depth_within(std::string_view text, std::size_t max_depth);

// Well-formed JSON (valid UTF-8 included) no deeper than max_depth?
Status check_json(std::string_view text, std::size_t max_depth);

// A JSON object no deeper than max_depth.
Result<nlohmann::json> parse_json_object(std::string_view text, std::size_t max_depth);

}  // namespace cellblock::sandbox
