// Checks of JSON text.
#include "sandbox/base/json_text.h"

namespace cellblock::sandbox {

using nlohmann::json;

namespace {

// The bound that a text breaks, in words; nothing while it is within the bounds.
const char* excess(std::string_view text, JsonBounds bounds) {
    std::size_t depth = 0;
    std::size_t values = 1;  // each bracket and each comma can bring one more
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
            ++values;
            if (++depth > bounds.depth) {
                return "nested too deeply";
            }
        } else if (c == ',') {
            ++values;
        } else if ((c == ']' || c == '}') && depth > 0) {
            --depth;
        }
        if (values > bounds.values) {
            return "of too many values";
        }
    }
    return nullptr;
}

}  // namespace

bool json_within(std::string_view text, JsonBounds bounds) {
    return excess(text, bounds) == nullptr;
}

Status check_json(std::string_view text, std::size_t max_depth) {
    if (const char* what = excess(text, {max_depth, text.size() + 1})) {
        return Error{"JSON", 0, what, {}};
    }
    if (!json::accept(text)) {
        return Error{"JSON", 0, "not well-formed", {}};
    }
    return Ok{};
}

Result<json> parse_json_object(std::string_view text, JsonBounds bounds) {
    if (const char* what = excess(text, bounds)) {
        return Error{"JSON", 0, what, {}};
    }
    json parsed = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!parsed.is_object()) {
        return Error{"JSON", 0, parsed.is_discarded() ? "not well-formed" : "not an object", {}};
    }
    return parsed;
}

}  // namespace cellblock::sandbox
