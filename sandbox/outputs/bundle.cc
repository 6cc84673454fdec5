// One table: a type, and how it is made inert.
#include "sandbox/outputs/bundle.h"

#include <algorithm>

#include "sandbox/outputs/data_url.h"
#include "sandbox/outputs/html.h"
#include "sandbox/outputs/image.h"
#include "sandbox/outputs/latex.h"
#include "sandbox/outputs/markdown.h"
#include "sandbox/outputs/svg.h"
#include "sandbox/outputs/terminal_text.h"

namespace cellblock::sandbox {

namespace {

using nlohmann::json;

bool is_pixels(const std::string& type) {
    return type == "image/png" || type == "image/jpeg" || type == "image/gif" || type == "image/webp";
}

bool is_markup(const std::string& type) {
    return type == "text/html" || type == "image/svg+xml";
}

// Binary images travel as base64 in JSON.
bool is_image_text(const std::string& type, const std::string& text) {
    const auto bytes = decode_base64(text);
    return bytes && is_image(type, *bytes);
}

// What makes a front end treat an output as another kind of thing: a frame, a trusted one.
bool erase_powers(json& object) {
    bool changed = false;
    for (const char* key : {"isolated", "trusted", "sandbox"}) {
        changed = object.erase(key) > 0 || changed;
    }
    return changed;
}

}  // namespace

bool BundleRules::allows(const std::string& type) const {
    if (is_markup(type) && rules_.html == HtmlRule::drop) {
        return false;
    }
    const auto names = [](const std::vector<std::string>& list, std::string_view name) {
        return std::any_of(list.begin(), list.end(), [&](std::string_view one) {
            const bool family = one.ends_with(".*");
            return family ? name.starts_with(one.substr(0, one.size() - 1)) : name == one;
        });
    };
    // Without its comm a widget's view would be an error message.
    if (type == "application/vnd.jupyter.widget-view+json" && !names(rules_.comms, "jupyter.widget")) {
        return false;
    }
    return names(rules_.mime, type);
}

std::optional<std::string> BundleRules::inert(const std::string& type, std::string text) const {
    if (!allows(type)) {
        return std::nullopt;
    }
    if (is_markup(type) && rules_.html == HtmlRule::trust) {
        return text;
    }
    if (type == "text/html") {
        return inert_html(text);
    }
    if (type == "image/svg+xml") {
        return inert_svg(text);
    }
    if (type == "text/markdown") {
        return rules_.html == HtmlRule::trust ? text : inert_markdown(text);
    }
    if (type == "text/latex") {
        return inert_latex(terminal_text(std::move(text)));
    }
    if (is_pixels(type)) {
        return is_image_text(type, text) ? std::optional(std::move(text)) : std::nullopt;
    }
    return terminal_text(std::move(text));
}

bool BundleRules::admit_item(MimeItem& item) const {
    if (auto* bytes = std::get_if<Bytes>(&item.value); bytes != nullptr) {
        return allows(item.type) && (!is_pixels(item.type) || is_image(item.type, bytes->value));
    }
    if (auto* text = std::get_if<std::string>(&item.value); text != nullptr) {
        auto good = inert(item.type, std::move(*text));
        if (good) {
            *text = std::move(*good);
        }
        return good.has_value();
    }
    // JSON under a type that is shown as text would be read as text by some.
    return allows(item.type) && !item.type.starts_with("text/") && !item.type.starts_with("image/");
}

std::vector<std::string> BundleRules::admit(std::vector<MimeItem>& data) const {
    std::vector<std::string> left_out;
    std::erase_if(data, [&](MimeItem& item) {
        if (admit_item(item)) {
            return false;
        }
        left_out.push_back(item.type);
        return true;
    });
    return left_out;
}

bool BundleRules::admit(json& bundle) const {
    if (!bundle.is_object()) {
        bundle = json::object();
        return true;
    }
    bool changed = false;
    for (auto item = bundle.begin(); item != bundle.end();) {
        // Notebooks' format has text as lists of lines too.
        const bool lines =
            item->is_array() && (item.key().starts_with("text/") || item.key() == "image/svg+xml");
        const bool text = item->is_string();
        std::optional<std::string> good;
        if (text) {
            good = inert(item.key(), item->get<std::string>());
        }
        const bool kept = text ? good.has_value()
                               : !lines && allows(item.key()) && !item.key().starts_with("text/") &&
                                     !item.key().starts_with("image/");
        if (!kept) {
            item = bundle.erase(item);
            changed = true;
            continue;
        }
        if (text && *good != item->get_ref<const std::string&>()) {
            *item = std::move(*good);
            changed = true;
        }
        ++item;
    }
    return changed;
}

RawJson inert_metadata(const RawJson& metadata) {
    if (metadata.text == "{}") {
        return metadata;
    }
    json given = json::parse(metadata.text, nullptr, /*allow_exceptions=*/false);
    if (!given.is_object()) {
        return {};
    }
    bool changed = erase_powers(given);
    for (auto& value : given) {  // {"image/png": {…}}
        changed = (value.is_object() && erase_powers(value)) || changed;
    }
    return changed ? RawJson{given.dump()} : metadata;
}

}  // namespace cellblock::sandbox
