// The tools of the MCP server: their names, descriptions and arguments.
//
// Plain functions. A fault in the arguments is a text for the model.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "kernel/mcp/tool_session.h"
#include "sandbox/api/policy.h"

namespace cellblock::kernel {

constexpr const char* kDefaultSession = "default";

// The list that `tools/list` gives. What code may do is told from the policy.
nlohmann::json tool_list(const sandbox::Policy& policy);
[[nodiscard]] bool is_tool(const std::string& name);

// Why these arguments won't do for that tool; empty: they will.
std::string arguments_fault(const std::string& tool, const nlohmann::json& arguments);

// Begins a call whose arguments are good, on its session (`reset` isn't called). `key`: the call's.
// `progress`, which may be empty, is told of code alone.
void begin_tool(const std::string& tool, const nlohmann::json& arguments, const std::string& key,
                ToolSession& session, ToolAnswer answer, ToolProgress progress);

}  // namespace cellblock::kernel
