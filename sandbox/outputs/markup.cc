// libxml2, kept short.
#include "sandbox/outputs/markup.h"

#include <libxml/HTMLparser.h>
#include <libxml/parser.h>

#include <algorithm>
#include <limits>

#include "sandbox/outputs/tidy.h"

namespace cellblock::sandbox {

namespace {

void say_nothing(void* /*context*/, const char* /*format*/, ...) {
}  // NOLINT(cert-dcl50-cpp): libxml2's signature

void prepare_library() {
    static const bool prepared = [] {
        xmlInitParser();
        xmlSetGenericErrorFunc(nullptr, say_nothing);
        return true;
    }();
    (void)prepared;
}

bool fits(std::string_view text) {
    return text.size() < static_cast<std::size_t>(std::numeric_limits<int>::max());
}

// libxml2 takes NUL for the end; HTML's parsers in browsers don't.
std::string without_nul(std::string_view text) {
    std::string out(text);
    std::erase(out, '\0');
    return out;
}

std::string_view view(const xmlChar* text) {
    return text == nullptr ? std::string_view() : reinterpret_cast<const char*>(text);
}

}  // namespace

Tree parse_html(std::string_view source) {
    prepare_library();
    // In an element of its own, so that text at the top isn't put into a paragraph.
    const std::string text = "<html><body><div>" + tidy_html(without_nul(source)) + "</div></body></html>";
    if (!fits(text)) {
        return nullptr;
    }
    constexpr int kOptions = HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
                             HTML_PARSE_NONET | HTML_PARSE_NODEFDTD | HTML_PARSE_IGNORE_ENC;
    return Tree(htmlReadMemory(text.data(), static_cast<int>(text.size()), nullptr, "UTF-8", kOptions));
}

Tree parse_xml(std::string_view source) {
    prepare_library();
    const auto text = tidy_xml(without_nul(source));
    if (!text || !fits(*text)) {
        return nullptr;
    }
    constexpr int kOptions = XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NONET | XML_PARSE_NOCDATA;
    return Tree(xmlReadMemory(text->data(), static_cast<int>(text->size()), nullptr, "UTF-8", kOptions));
}

std::string_view name_of(const xmlNode* element) {
    const std::string_view name = view(element->name);
    const std::size_t colon = name.rfind(':');  // the HTML parser knows no namespaces
    return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

std::string text_of(const xmlNode* node) {
    return std::string(view(node->content));
}

std::string all_text_of(const xmlNode* element) {
    std::string out;
    for (const xmlNode* child = element->children; child != nullptr; child = child->next) {
        if (child->type == XML_TEXT_NODE || child->type == XML_CDATA_SECTION_NODE) {
            out += view(child->content);
        }
    }
    return out;
}

std::string escaped(std::string_view text) {
    std::string out;
    out.reserve(text.size() + text.size() / 8);
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '`':
                out += "&#96;";
                break;
            default:
                if (byte >= 0x20 ? byte != 0x7f : c == '\n' || c == '\t' || c == '\r') {
                    out += c;
                }
        }
    }
    return out;
}

std::string attribute_text(std::string_view name, std::string_view value) {
    return std::string(" ").append(name).append("=\"").append(escaped(value)).append("\"");
}

}  // namespace cellblock::sandbox
