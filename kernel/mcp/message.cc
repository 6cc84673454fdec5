#include "kernel/mcp/message.h"

#include <algorithm>
#include <array>
#include <utility>

#include "kernel/jupyter/message_text.h"
#include "sandbox/base/json_text.h"

namespace cellblock::kernel {

using namespace sandbox;
using nlohmann::json;

namespace {

constexpr std::array<std::string_view, 4> kHandshakes{"2024-11-05", "2025-03-26", "2025-06-18",
                                                      kNewestHandshake};
constexpr JsonBounds kBounds{64, 100'000};
constexpr std::size_t kLongestId = 200;

McpMessage bad(std::string id, int error, std::string why) {
    McpMessage message;
    message.id = std::move(id);
    message.error = error;
    message.why = std::move(why);
    return message;
}

// An id, or a token, as JSON text; "": it is neither a text nor a whole number, or too long.
std::string id_text(const json& id) {
    std::string text = id.is_string() || id.is_number_integer() ? json_line(id) : "";
    return text.size() <= kLongestId ? text : "";
}

}  // namespace

bool is_handshake_version(std::string_view version) {
    return std::find(kHandshakes.begin(), kHandshakes.end(), version) != kHandshakes.end();
}

std::string json_line(const json& value) {
    return as_one_line(value.dump(-1, ' ', false, json::error_handler_t::replace));
}

std::string meta_name(const char* name) {
    return std::string("io.modelcontextprotocol/") + name;
}

json meta_of(const json& params, const char* name) {
    const auto meta = params.find("_meta");
    return meta != params.end() && meta->is_object() ? meta->value(meta_name(name), json()) : json();
}

McpMessage read_message(std::string_view text) {
    auto parsed = parse_json_object(text, kBounds);
    if (!parsed) {
        const auto first = text.find_first_not_of(" \t\r\n");
        const bool is_batch = first != std::string_view::npos && text[first] == '[';
        return is_batch ? bad("null", kInvalidRequest, "batches aren't taken: send each message by itself")
                        : bad("null", kParseError, parsed.error().text());
    }
    json& object = *parsed;
    const auto method = object.find("method");
    const auto params = object.find("params");
    const json id = object.value("id", json());
    McpMessage message;
    if (method == object.end()) {
        return message;  // an answer; nothing was asked
    }
    if (!method->is_string() || object.value("jsonrpc", json()) != "2.0" ||
        (params != object.end() && !params->is_object())) {
        return bad(id.is_structured() ? "null" : json_line(id), kInvalidRequest,
                   "no message of JSON-RPC 2.0 with an object as its params");
    }
    message.method = method->get<std::string>();
    if (params != object.end()) {
        message.params = std::move(*params);
    }
    if (!object.contains("id")) {
        return message;
    }
    message.id = id_text(id);
    if (message.id.empty()) {
        return bad("null", kInvalidRequest, "an id is a text or a whole number");
    }
    message.version = meta_of(message.params, "protocolVersion");
    return message;
}

std::string progress_token(const json& params) {
    const auto meta = params.find("_meta");
    return meta != params.end() && meta->is_object() ? id_text(meta->value("progressToken", json())) : "";
}

std::string progress_text(const std::string& token, int progress, const std::string& message) {
    return R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":)" + token +
           R"(,"progress":)" + std::to_string(progress) + R"(,"message":)" + json_line(message) + "}}";
}

std::string result_text(const std::string& id, const json& result) {
    return R"({"jsonrpc":"2.0","id":)" + id + R"(,"result":)" + json_line(result) + "}";
}

std::string error_text(const std::string& id, int code, const std::string& why, const json& data) {
    json error{{"code", code}, {"message", why}};
    if (!data.is_null()) {
        error["data"] = data;
    }
    return R"({"jsonrpc":"2.0","id":)" + id + R"(,"error":)" + json_line(error) + "}";
}

json unsupported_version(const json& requested) {
    return {{"supported", json::array({kModernVersion})}, {"requested", requested}};
}

}  // namespace cellblock::kernel
