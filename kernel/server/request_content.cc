#include "kernel/server/request_content.h"

#include <algorithm>
#include <limits>

#include "kernel/jupyter/message_text.h"
#include "sandbox/base/json_text.h"

namespace cellblock::kernel {

using nlohmann::json;
using sandbox::Error;
using sandbox::Result;

namespace {

constexpr std::size_t kMaxMetadata = 256U << 10;
constexpr std::size_t kMaxMetadataDepth = 24;

bool flag(const json& content, const char* name, bool otherwise) {
    const auto found = content.find(name);
    return found != content.end() && found->is_boolean() ? found->get<bool>() : otherwise;
}

Result<std::string> take_code(json& content) {
    const auto found = content.find("code");
    if (found == content.end() || !found->is_string()) {
        return Error{"request", 0, "content.code must be a text", {}};
    }
    return std::move(found->get_ref<std::string&>());
}

// user_expressions must be an object of texts.
Result<json> user_expressions(const json& content) {
    const auto found = content.find("user_expressions");
    if (found == content.end() || found->is_null()) {
        return json::object();
    }
    if (!found->is_object() ||
        !std::all_of(found->begin(), found->end(), [](const json& one) { return one.is_string(); })) {
        return Error{"request", 0, "content.user_expressions must be an object of texts", {}};
    }
    return *found;
}

// The cursor in code points. A number that is no place in the code means the code's end.
int cursor_of(const json& content, const std::string& code) {
    const std::size_t end = std::min<std::size_t>(code_points(code), std::numeric_limits<int>::max());
    const auto found = content.find("cursor_pos");
    const bool whole_number = found != content.end() && found->is_number_integer();
    if (!whole_number || *found < 0 || *found > end) {
        return static_cast<int>(end);
    }
    return found->get<int>();
}

Result<json> execute_content(const json& content, std::string code) {
    auto expressions = user_expressions(content);
    if (!expressions) {
        return expressions;
    }
    const bool silent = flag(content, "silent", false);
    return json{{"code", std::move(code)},
                {"silent", silent},
                {"store_history", !silent && flag(content, "store_history", true)},
                {"user_expressions", std::move(*expressions)},
                {"allow_stdin", flag(content, "allow_stdin", false)},
                {"stop_on_error", flag(content, "stop_on_error", true)}};
}

}  // namespace

std::size_t code_points(const std::string& text) {
    return static_cast<std::size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

Result<json> whole_content(const std::string& type, json content) {
    const bool execute = type == "execute_request";
    const bool complete = type == "complete_request";
    const bool inspect = type == "inspect_request";
    if (!execute && !complete && !inspect && type != "is_complete_request") {
        return content;
    }
    CELLBLOCK_ASSIGN_OR_RETURN(auto code, take_code(content));
    if (execute) {
        return execute_content(content, std::move(code));
    }
    json whole = json::object();
    if (complete || inspect) {
        whole["cursor_pos"] = cursor_of(content, code);
    }
    whole["code"] = std::move(code);
    if (inspect) {
        const auto detail = content.find("detail_level");
        whole["detail_level"] = detail != content.end() && *detail == 1 ? 1 : 0;
    }
    return whole;
}

std::string worker_metadata(const Message& request) {
    const std::string& text = request.metadata_text;
    const bool fits = text.size() <= kMaxMetadata && sandbox::json_depth_within(text, kMaxMetadataDepth);
    return fits ? text : "{}";
}

std::optional<std::string> requested_time(const std::string& metadata) {
    constexpr const char* kOurs = "cellblock";
    if (metadata.find(kOurs) == std::string::npos) {
        return std::nullopt;
    }
    const json whole = json::parse(metadata, nullptr, /*allow_exceptions=*/false);
    const auto ours = whole.is_object() ? whole.find(kOurs) : whole.end();
    if (ours == whole.end() || !ours->is_object() || !ours->contains("timeout")) {
        return std::nullopt;
    }
    const json& asked = (*ours)["timeout"];
    return asked.is_string() ? asked.get<std::string>() : asked.dump();
}

}  // namespace cellblock::kernel
