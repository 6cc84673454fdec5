// What comes back with a reply and is shown: completions, inspections, payloads, expressions.
//
// Ownership, threads: pure. Failure: JSON that isn't what it should be becomes empty.
// Where nothing has to be changed the text stays to the letter.
#pragma once

#include <nlohmann/json.hpp>

#include "sandbox/api/types.h"
#include "sandbox/outputs/bundle.h"

namespace cellblock::sandbox {

// terminal_text() of every string in it, names included in none. True if one was changed.
bool clean_strings(nlohmann::json& value);

// Of complete_reply, inspect_reply, …: strings, and `data` as a bundle.
RawJson inert_reply(const RawJson& content, const BundleRules& rules);

// A message of the Debug Adapter Protocol: strings, and `body.data` as a bundle.
RawJson inert_debug_message(const RawJson& content, const BundleRules& rules);

// Of execute_reply: set_next_input, page and ask_exit; no others.
RawJson inert_payload(const RawJson& payload, const BundleRules& rules);

// Of execute_reply: {name: {"status", "data"}}.
RawJson inert_expressions(const RawJson& expressions, const BundleRules& rules);

}  // namespace cellblock::sandbox
