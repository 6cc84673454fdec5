// JSON that a sandbox sent, checked before anything is built from it.
//
// Purpose: a linear scan bounds depth and number of values first, because a
// parser's tree is as deep as its sender likes, and takes many times the memory
// of its text. Ownership: plain values.
// Threads: no shared state. Failure: an Error that says what is wrong.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string_view>

#include "sandbox/api/result.h"

namespace cellblock::sandbox {

struct JsonBounds {
    std::size_t depth = 128;
    std::size_t values = 200'000;  // a tree of as many takes some 20 MiB
};

// True if brackets outside of strings nest no deeper than the bound, and there are no more values.
bool json_within(std::string_view text, JsonBounds bounds);
inline bool json_depth_within(std::string_view text, std::size_t depth) {
    return json_within(text, {depth, text.size() + 1});
}

// Well-formed JSON (valid UTF-8 included) no deeper than max_depth?
Status check_json(std::string_view text, std::size_t max_depth);

// A JSON object within the bounds.
Result<nlohmann::json> parse_json_object(std::string_view text, JsonBounds bounds);

}  // namespace cellblock::sandbox
