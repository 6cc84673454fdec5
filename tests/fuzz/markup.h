// What of a page's text is markup: tags with their attributes, and style sheets.
//
// Purpose: a target's findings. Words between tags and in title, alt and
// aria-label are text, whatever they say; a link's address is one to be clicked.
#pragma once

#include <string>
#include <string_view>

inline std::string without_text_attributes(std::string tag) {
    for (const std::string_view name : {" title=\"", " alt=\"", " aria-label=\"", " href=\"http"}) {
        if (const std::size_t at = tag.find(name); at != std::string::npos) {
            const std::size_t from = at + name.size();
            tag.erase(from, tag.find('"', from) - from);
        }
    }
    return tag;
}

inline std::string markup_of(std::string_view page) {
    std::string out;
    for (std::size_t at = page.find('<'); at != std::string_view::npos; at = page.find('<', at)) {
        const std::size_t end = page.find('>', at);
        if (end == std::string_view::npos) {
            return out.append(page.substr(at));
        }
        const std::string_view tag = page.substr(at, end + 1 - at);
        out += without_text_attributes(std::string(tag));
        at = end + 1;
        if (tag == "<style>") {
            const std::size_t close = page.find("</style>", at);
            out += page.substr(at, close - at);
            at = close;
        }
    }
    return out;
}
