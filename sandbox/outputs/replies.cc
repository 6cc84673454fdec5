// Replies.
#include "sandbox/outputs/replies.h"

#include "sandbox/base/json_text.h"
#include "sandbox/outputs/terminal_text.h"

namespace cellblock::sandbox {

namespace {

using nlohmann::json;

constexpr std::size_t kMostPayloads = 32;
constexpr std::size_t kLongestInput = 1U << 20;

// Nothing where it has more values than a tree may have.
json tree_of(const RawJson& raw) {
    return json_within(raw.text, {}) ? json::parse(raw.text, nullptr, /*allow_exceptions=*/false) : json();
}

// {"data": {…}} in place.
bool clean_data(json& object, const BundleRules& rules) {
    const auto data = object.find("data");
    return data != object.end() && rules.admit(*data);
}

// Strings, and `data` as a bundle, in place.
bool clean_reply(json& object, const BundleRules& rules) {
    bool changed = clean_data(object, rules);
    for (auto item = object.begin(); item != object.end(); ++item) {
        changed = (item.key() != "data" && clean_strings(*item)) || changed;
    }
    return changed;
}

bool clean_expression(json& value, const BundleRules& rules) {
    if (!value.is_object()) {
        value = json::object();
        return true;
    }
    bool changed = clean_data(value, rules);
    for (const char* key : {"ename", "evalue", "traceback"}) {
        const auto found = value.find(key);
        changed = (found != value.end() && clean_strings(*found)) || changed;
    }
    return changed;
}

// Of one payload what it may say; null if it may not be.
json good_payload(const json& payload, const BundleRules& rules) {
    const json source = payload.is_object() ? payload.value("source", json()) : json();
    if (source == "set_next_input") {
        const json text = payload.value("text", json());
        if (!text.is_string() || text.get_ref<const std::string&>().size() > kLongestInput) {
            return nullptr;
        }
        return {{"source", source},
                {"text", terminal_text(text.get<std::string>())},
                {"replace", payload.value("replace", json(false)) == true}};
    }
    if (source == "ask_exit") {
        return {{"source", source}, {"keepkernel", payload.value("keepkernel", json(false)) == true}};
    }
    if (source == "page") {
        json data = payload.value("data", json::object());
        rules.admit(data);
        const json start = payload.value("start", json(0));
        return {{"source", source}, {"data", data}, {"start", start.is_number_unsigned() ? start : json(0)}};
    }
    return nullptr;
}

}  // namespace

bool clean_strings(json& value) {  // NOLINT(misc-no-recursion): its depth was checked
    if (value.is_string()) {
        std::string clean = terminal_text(value.get<std::string>());
        if (clean == value.get_ref<const std::string&>()) {
            return false;
        }
        value = std::move(clean);
        return true;
    }
    bool changed = false;
    if (value.is_structured()) {
        for (auto& part : value) {
            changed = clean_strings(part) || changed;
        }
    }
    return changed;
}

RawJson inert_reply(const RawJson& content, const BundleRules& rules) {
    if (!json_within(content.text, {})) {
        return RawJson{
            R"({"status":"error","ename":"ValueError","evalue":"an answer of too many values","traceback":[]})"};
    }
    json given = json::parse(content.text, nullptr, /*allow_exceptions=*/false);
    if (!given.is_object()) {
        return content;
    }
    return clean_reply(given, rules) ? RawJson{given.dump()} : content;
}

RawJson inert_debug_message(const RawJson& content, const BundleRules& rules) {
    json given = tree_of(content);
    if (!given.is_object()) {
        return {};
    }
    bool changed = false;
    for (auto item = given.begin(); item != given.end(); ++item) {
        const bool body = item.key() == "body" && item->is_object();
        changed = (body ? clean_reply(*item, rules) : clean_strings(*item)) || changed;
    }
    return changed ? RawJson{given.dump()} : content;
}

RawJson inert_payload(const RawJson& payload, const BundleRules& rules) {
    if (payload.text == "[]") {
        return payload;
    }
    const json given = tree_of(payload);
    json out = json::array();
    for (std::size_t i = 0; given.is_array() && i < given.size() && i < kMostPayloads; ++i) {
        if (json good = good_payload(given[i], rules); !good.is_null()) {
            out.push_back(std::move(good));
        }
    }
    return RawJson{out.dump()};
}

RawJson inert_expressions(const RawJson& expressions, const BundleRules& rules) {
    if (expressions.text == "{}") {
        return expressions;
    }
    json given = tree_of(expressions);
    if (!given.is_object()) {
        return {};
    }
    bool changed = false;
    for (auto& value : given) {
        changed = clean_expression(value, rules) || changed;
    }
    return changed ? RawJson{given.dump()} : expressions;
}

}  // namespace cellblock::sandbox
