// Checks of JSON text.
#include "sandbox/channel/json_text.h"

namespace cellblock::sandbox {

using nlohmann::json;

bool json_depth_within(std::string_view text, std::size_t max_depth) {
    std::size_t depth = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_string) {
            if (c == '\\') {
                ++i;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > max_depth) {
                return false;
            }
        } else if ((c == ']' || c == '}') && depth > 0) {
            --depth;
        }
    }
    return true;
}

Status check_json(std::string_view text, std::size_t max_depth) {
    if (!json_depth_within(text, max_depth)) {
        return Error{"JSON", 0, "nested deeper than " + std::to_string(max_depth), {}};
    }
    if (!json::accept(text)) {
        return Error{"JSON", 0, "not well-formed", {}};
    }
    return Ok{};
}

Result<json> parse_json_object(std::string_view text, std::size_t max_depth) {
    if (!json_depth_within(text, max_depth)) {
        return Error{"JSON", 0, "nested deeper than " + std::to_string(max_depth), {}};
    }
    json parsed = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!parsed.is_object()) {
        return Error{"JSON", 0, parsed.is_discarded() ? "not well-formed" : "not an object", {}};
    }
    return parsed;
}

}  // namespace cellblock::sandbox
