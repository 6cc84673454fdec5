// What a request's content says, with the protocol's defaults.
//
// Purpose: xeus's core reads contents with defaults that aren't the protocol's,
// throws on a wrong type and then sends no reply. So each content that goes to
// it is made anew here, whole and of the right types.
// Ownership: plain values. Threads: no shared state.
// Failure: an Error whose message is for the user; it becomes an error reply.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "kernel/jupyter/wire.h"
#include "sandbox/api/result.h"

namespace cellblock::kernel {

// Of execute_request, complete_request, inspect_request, is_complete_request.
// Contents of other types are returned as they are.
sandbox::Result<nlohmann::json> whole_content(const std::string& type, const nlohmann::json& content);

// The execute request's metadata for the worker; "{}" in place of a huge one.
std::string worker_metadata(const Message& request);

// In Unicode code points; `text` is valid UTF-8.
std::size_t code_points(const std::string& text);

}  // namespace cellblock::kernel
