// Completes a request's content: every field of the right type, with the protocol's default where it is
// missing.
//
// Purpose: clients leave fields out, and xeus's core has other defaults than the protocol and throws on a
// wrong type. After this nobody has to look again. Plain values without shared state. A content that can't be
// understood gives an Error whose message is for the user and goes into the error reply.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "kernel/jupyter/wire.h"
#include "sandbox/api/result.h"

namespace cellblock::kernel {

// The whole content of an execute_request, complete_request, inspect_request or is_complete_request. The
// content of another type is returned as it is. The code is moved, not copied, if `content` was.
sandbox::Result<nlohmann::json> whole_content(const std::string& type, nlohmann::json content);

// The metadata of an execute_request for the worker: "{}" in place of a huge one.
std::string worker_metadata(const Message& request);

// The time limit that such metadata asks for: {"cellblock": {"timeout": 0.5}}, or a text as %%timeout has it.
// Whatever else is there in its place is given as JSON text, which no Session takes for a time.
std::optional<std::string> requested_time(const std::string& metadata);

// How many Unicode code points `text` has, which is valid UTF-8.
std::size_t code_points(const std::string& text);

}  // namespace cellblock::kernel
