// Walks the document; its depth was bounded when it was read.
#include "sandbox/engines/fill_document.h"

#include <functional>
#include <nlohmann/json.hpp>

namespace cellblock::sandbox {

namespace {

using nlohmann::json;

void for_each_text(json& part, const std::function<void(json&)>& visit) {
    if (part.is_string()) {
        return visit(part);
    }
    if (part.is_structured()) {
        for (auto& inner : part) {
            for_each_text(inner, visit);
        }
    }
}

}  // namespace

Status check_document(const json& document) {
    Status checked = Ok{};
    json copy = document;
    for_each_text(copy, [&](const json& text) {
        if (checked) {
            checked = check_placeholders(text.get<std::string>());
        }
    });
    return checked;
}

std::string fill_document(const std::string& document, const Values& values) {
    json filled = json::parse(document, nullptr, false);
    for_each_text(filled, [&](json& text) {
        const auto word = text.get<std::string>();
        text = fill_word(word, values);
        if (is_number(word)) {
            const auto number = json::parse(text.get<std::string>(), nullptr, false);
            text = number.is_number() ? number : text;
        }
    });
    return filled.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace cellblock::sandbox
