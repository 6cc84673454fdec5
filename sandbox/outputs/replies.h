// Replies that are shown: completions, inspections, payloads, user expressions, the debugger's messages.
//
// Their strings become harmless text, and bundles in them obey bundle.h. Where nothing has to be changed, the
// JSON text stays as it was. JSON that isn't what it should be becomes empty. Pure functions.
#pragma once

#include <nlohmann/json.hpp>

#include "sandbox/api/types.h"
#include "sandbox/outputs/bundle.h"

namespace cellblock::sandbox {

// Applies terminal_text() to every string in `value`, but not to names of members. True if anything was
// changed.
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
