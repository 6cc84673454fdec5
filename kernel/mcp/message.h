// Messages of MCP: JSON-RPC 2.0 as text, the protocol's versions, and its errors.
//
//     const McpMessage message = read_message(line);
//     if (message.error != 0) {
//         send(error_text(message.id, message.error, message.why));
//     }
//
// Plain functions and values. Nothing throws.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace cellblock::kernel {

// The version whose requests are answered without an `initialize` before them.
constexpr const char* kModernVersion = "2026-07-28";
// The newest of the versions whose clients begin with `initialize`.
constexpr const char* kNewestHandshake = "2025-11-25";
[[nodiscard]] bool is_handshake_version(std::string_view version);

// JSON-RPC's errors, and the protocol's own.
constexpr int kParseError = -32700;
constexpr int kInvalidRequest = -32600;
constexpr int kMethodNotFound = -32601;
constexpr int kInvalidParams = -32602;
constexpr int kInternalError = -32603;
constexpr int kNoSuchResource = -32002;
constexpr int kHeaderMismatch = -32020;
constexpr int kUnsupportedVersion = -32022;

struct McpMessage {
    std::string id;      // JSON text; "": a notification or an answer; "null": none that can be answered
    std::string method;  // "": an answer, or there is an error
    nlohmann::json params = nlohmann::json::object();
    // The version that the request names in its `_meta`; null: it names none.
    nlohmann::json version;
    int error = 0;  // 0: the message is good
    std::string why;
};

McpMessage read_message(std::string_view text);

// The member of `_meta` that has this name behind the protocol's prefix; null: there is none.
nlohmann::json meta_of(const nlohmann::json& params, const char* name);
std::string meta_name(const char* name);

// The token under which a request's client wants to be told of progress, as JSON text; "": the request has
// none.
std::string progress_token(const nlohmann::json& params);
// The notification of it; `progress` rises with each of a request.
std::string progress_text(const std::string& token, int progress, const std::string& message);

std::string result_text(const std::string& id, const nlohmann::json& result);
std::string error_text(const std::string& id, int code, const std::string& why,
                       const nlohmann::json& data = nullptr);
// The answer to a request of a version that isn't spoken.
nlohmann::json unsupported_version(const nlohmann::json& requested);

// A value as one line of UTF-8, however its reader ends lines; what is no UTF-8 is replaced.
std::string json_line(const nlohmann::json& value);

}  // namespace cellblock::kernel
