// One table: a type, and how it is made inert.
#include "sandbox/outputs/bundle.h"

#include <algorithm>
#include <iterator>

#include "sandbox/base/base64.h"
#include "sandbox/base/json_text.h"
#include "sandbox/outputs/charts.h"
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

// A part of an HTML that may be shown as such.
bool is_of_content(const LeftOut& one) {
    using Why = LeftOut::Why;
    return one.why != Why::not_listed && one.why != Why::html_dropped && one.why != Why::not_what_it_says;
}

// True if it is to be shown, or showed nothing before either. Of HTML that shows something, frames
// and what would be loaded are told; its scripts and styles mostly serve what is shown.
bool keeps_html(const InertHtml& html, std::vector<LeftOut>& lost) {
    using Why = LeftOut::Why;
    const auto is_missed = [&](const LeftOut& one) {
        return !html.shows || (one.why != Why::script && one.why != Why::styles && one.why != Why::other);
    };
    std::copy_if(html.lost.begin(), html.lost.end(), std::back_inserter(lost), is_missed);
    return html.shows || std::all_of(html.lost.begin(), html.lost.end(),
                                     [](const LeftOut& one) { return one.why == Why::styles; });
}

}  // namespace

bool BundleRules::is_filtered_chart(const std::string& type) const {
    return is_chart(type) && rules_.html != HtmlRule::trust;
}

bool BundleRules::is_sanitized_html(const std::string& type) const {
    return type == "text/html" && rules_.html == HtmlRule::sanitize;
}

std::optional<std::string> BundleRules::inert(const std::string& type, std::string text) const {
    if (!allows(type)) {
        return std::nullopt;
    }
    if (is_markup(type) && rules_.html == HtmlRule::trust) {
        return text;
    }
    if (is_sanitized_html(type)) {
        return inert_html(text);
    }
    if (type == "image/svg+xml") {
        return inert_svg(text);
    }
    if (is_filtered_chart(type)) {
        return std::nullopt;  // they are JSON
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

bool BundleRules::admit_item(MimeItem& item, std::vector<LeftOut>& lost) const {
    bool good = allows(item.type);
    if (const auto* bytes = std::get_if<Bytes>(&item.value); bytes != nullptr) {
        good = plain_.admits(item.type, *bytes);
    } else if (auto* text = std::get_if<std::string>(&item.value); text != nullptr) {
        if (good && is_sanitized_html(item.type)) {
            InertHtml html = clean_html(*text);
            *text = std::move(html.text);
            return keeps_html(html, lost);
        }
        auto inert_text = inert(item.type, std::move(*text));
        good = inert_text.has_value();
        *text = std::move(inert_text).value_or("");
    } else if (auto& raw = std::get<RawJson>(item.value); good && is_filtered_chart(item.type)) {
        Chart chart = inert_chart(item.type, raw.text);
        if (!chart.json) {
            lost.push_back({item.type, LeftOut::Why::refused, std::move(chart.why)});
            return false;
        }
        raw.text = std::move(*chart.json);
    } else {
        // JSON under a type that is shown as text would be read as text by some.
        good = good && !item.type.starts_with("text/") && !item.type.starts_with("image/");
    }
    if (!good) {
        lost.push_back({item.type, plain_.why_not(item.type), ""});
    }
    return good;
}

std::vector<LeftOut> BundleRules::admit(std::vector<MimeItem>& data) const {
    std::vector<LeftOut> lost;
    std::erase_if(data, [&](MimeItem& item) { return !admit_item(item, lost); });
    // Where another form of the same is shown, what is missing in its HTML twin isn't missed.
    const bool shown = std::any_of(data.begin(), data.end(), [](const MimeItem& item) {
        return item.type != "text/plain" && item.type != "text/html";
    });
    if (shown) {
        std::erase_if(lost, &is_of_content);
    }
    return lost;
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
        if (text && is_sanitized_html(item.key()) && allows(item.key())) {
            InertHtml html = clean_html(item->get_ref<const std::string&>());
            std::vector<LeftOut> lost;
            if (keeps_html(html, lost) || !bundle.contains("text/plain")) {
                good = std::move(html.text);
            }
        } else if (text) {
            good = inert(item.key(), item->get<std::string>());
        }
        bool refused = false;
        if (!text && is_filtered_chart(item.key()) && allows(item.key())) {
            const Chart chart = inert_chart(item.key(), item->dump());
            refused = !chart.json.has_value();
            *item = refused ? json() : json::parse(*chart.json);
            changed = true;
        }
        const bool kept = text ? good.has_value()
                               : !lines && !refused && allows(item.key()) &&
                                     !item.key().starts_with("text/") && !item.key().starts_with("image/");
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
    json given = json_within(metadata.text, {})
                     ? json::parse(metadata.text, nullptr, /*allow_exceptions=*/false)
                     : json();
    if (!given.is_object()) {
        return {};
    }
    bool changed = erase_powers(given);
    changed = inert_embed_options(given) || changed;
    for (auto& value : given) {  // {"image/png": {…}}
        changed = (value.is_object() && erase_powers(value)) || changed;
        changed = (value.is_object() && inert_embed_options(value)) || changed;
    }
    return changed ? RawJson{given.dump()} : metadata;
}

}  // namespace cellblock::sandbox
