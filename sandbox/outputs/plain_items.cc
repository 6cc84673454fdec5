// The policy's list of types; text and pixels.
#include "sandbox/outputs/plain_items.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <variant>

#include "sandbox/outputs/image.h"
#include "sandbox/outputs/terminal_text.h"

namespace cellblock::sandbox {

namespace {

// Takes the prefix off; false: it isn't there.
bool take(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix)) {
        return false;
    }
    text.remove_prefix(prefix.size());
    return true;
}

// Takes a JSON string and its quotation marks off; false: there is none, or one that isn't plain.
bool take_plain_string(std::string_view& text) {
    if (!take(text, "\"")) {
        return false;
    }
    std::size_t at = 0;
    while (at < text.size() && text[at] != '"') {
        if (text[at] == '\\') {
            ++at;  // to what is escaped
            if (at == text.size() || std::string_view("\"\\n").find(text[at]) == std::string_view::npos) {
                return false;
            }
        } else if (text[at] < ' ' || text[at] > '~') {
            return false;
        }
        ++at;
    }
    text.remove_prefix(at);
    return take(text, "\"");
}

}  // namespace

bool is_pixels(const std::string& type) {
    return type == "image/png" || type == "image/jpeg" || type == "image/gif" || type == "image/webp";
}

bool is_markup(const std::string& type) {
    return type == "text/html" || type == "image/svg+xml";
}

bool PlainRules::allows(const std::string& type) const {
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

LeftOut::Why PlainRules::why_not(const std::string& type) const {
    if (allows(type)) {
        return LeftOut::Why::not_what_it_says;
    }
    return is_markup(type) && rules_.html == HtmlRule::drop ? LeftOut::Why::html_dropped
                                                            : LeftOut::Why::not_listed;
}

bool PlainRules::admits(const std::string& type, const Bytes& bytes) const {
    return allows(type) && (!is_pixels(type) || is_image(type, bytes.value));
}

bool PlainRules::admits_expressions(std::string_view json_text) const {
    constexpr std::size_t kLongest = 64U << 10;
    std::string_view rest = json_text;
    if (json_text.size() > kLongest || !allows("text/plain") || !take(rest, "{")) {
        return false;
    }
    do {
        if (!take_plain_string(rest) || !take(rest, R"(:{"status":"ok","data":{"text/plain":)") ||
            !take_plain_string(rest) || !take(rest, R"(},"metadata":{}})")) {
            return false;
        }
    } while (take(rest, ","));
    return rest == "}";
}

std::vector<LeftOut> PlainRules::admit(std::vector<MimeItem>& data) const {
    std::vector<LeftOut> lost;
    std::erase_if(data, [&](MimeItem& item) {
        bool good = false;
        if (auto* text = std::get_if<std::string>(&item.value); text != nullptr) {
            good = item.type == "text/plain" && allows(item.type);
            *text = good ? terminal_text(std::move(*text)) : std::string();
        } else if (const auto* bytes = std::get_if<Bytes>(&item.value); bytes != nullptr) {
            good = admits(item.type, *bytes);
        }
        if (!good) {
            lost.push_back({item.type, why_not(item.type), ""});
        }
        return !good;
    });
    return lost;
}

}  // namespace cellblock::sandbox
