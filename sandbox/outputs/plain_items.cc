// The policy's list of types; text and pixels.
#include "sandbox/outputs/plain_items.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <variant>

#include "sandbox/outputs/image.h"
#include "sandbox/outputs/terminal_text.h"

namespace cellblock::sandbox {

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
