// Strict JSON for policies.
#include "sandbox/policy/document.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>
#include <string>
#include <vector>

#include "sandbox/base/files.h"
#include "sandbox/base/json_text.h"

namespace cellblock::sandbox {

namespace {

using nlohmann::json;

// Follows the parser through the objects that are open, to see a key that comes twice.
class DuplicateWatch {
public:
    bool see(json::parse_event_t event, const json& parsed) {
        switch (event) {
            case json::parse_event_t::object_start:
                open_.emplace_back();
                break;
            case json::parse_event_t::object_end:
                open_.pop_back();
                break;
            case json::parse_event_t::key:
                see_key(parsed.get_ref<const std::string&>());
                break;
            default:
                break;
        }
        return true;
    }
    [[nodiscard]] const std::string& duplicate() const { return duplicate_; }

private:
    struct OpenObject {
        std::set<std::string> keys;
        std::string last;
    };

    void see_key(const std::string& key) {
        open_.back().last = key;
        if (!open_.back().keys.insert(key).second && duplicate_.empty()) {
            for (const auto& object : open_) {
                duplicate_ += (duplicate_.empty() ? "" : ".") + object.last;
            }
        }
    }

    std::vector<OpenObject> open_;
    std::string duplicate_;
};

// "line 3, column 7" of a byte offset counted from 1, as the parser gives it.
std::string place(std::string_view text, std::size_t byte) {
    const auto before = text.substr(0, std::min(byte == 0 ? 0 : byte - 1, text.size()));
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const auto newline = before.rfind('\n');
    const auto column = before.size() - (newline == std::string_view::npos ? 0 : newline + 1) + 1;
    return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

// The parser's own words without its prefix, which repeats the place.
std::string reason(const std::string& what) {
    const auto column = what.find(", column ");
    const auto colon = what.find(": ", column == std::string::npos ? 0 : column);
    return colon == std::string::npos ? what : what.substr(colon + 2);
}

}  // namespace

Result<json> parse_policy_document(std::string_view text) {
    if (text.size() > kMaxPolicyBytes) {
        return Error{"", 0, "the document is longer than 64 KiB", {}};
    }
    if (!json_depth_within(text, kMaxPolicyDepth)) {
        return Error{"", 0, "the document nests deeper than 16 levels", {}};
    }
    DuplicateWatch watch;
    json document;
    try {
        document = json::parse(
            text, [&](int, json::parse_event_t event, json& parsed) { return watch.see(event, parsed); });
    } catch (const json::parse_error& error) {
        return Error{place(text, error.byte), 0, "invalid JSON: " + reason(error.what()), {}};
    } catch (const json::exception& error) {  // a number out of range, for one
        return Error{"", 0, std::string("invalid JSON: ") + error.what(), {}};
    }
    if (!watch.duplicate().empty()) {
        return Error{watch.duplicate(), 0, "this key is given twice", {}};
    }
    if (!document.is_object()) {
        return Error{"", 0, "the document must be a JSON object: { … }", {}};
    }
    return document;
}

Result<std::string> read_document(const std::string& path, const std::string& step) {
    return regular_file_text(step, path, kMaxPolicyBytes);
}

}  // namespace cellblock::sandbox
