// A JSON document whose texts have placeholders.
//
// Purpose: files that a template makes for its command (a pod, a tool's settings)
// can be written in it as they are. A text that is one placeholder of a number, as
// "{uid}", becomes that number; in no value can a quote or a brace end what it
// stands in.
// Ownership: plain values. Threads: pure. Failure: as check_placeholders says.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "sandbox/api/result.h"
#include "sandbox/engines/fill.h"

namespace cellblock::sandbox {

Status check_document(const nlohmann::json& document);

// `document`: JSON, as check_document() found it good.
std::string fill_document(const std::string& document, const Values& values);

}  // namespace cellblock::sandbox
