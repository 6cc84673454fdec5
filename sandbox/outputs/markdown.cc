// One pass over the text; a zero-width space parts what must not stand together.
#include "sandbox/outputs/markdown.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

namespace cellblock::sandbox {

namespace {

constexpr std::string_view kBreak = "\xe2\x80\x8b";  // U+200B

bool starts_without_case(std::string_view text, std::string_view start) {
    return text.size() >= start.size() &&
           std::equal(start.begin(), start.end(), text.begin(), [](char wanted, char found) {
               return wanted == std::tolower(static_cast<unsigned char>(found));
           });
}

// Whether a link's place, which begins at or after `at`, is of a scheme that is let through.
bool leads_to_good_place(std::string_view text, std::size_t at) {
    while (at < text.size() && std::string_view(" \t\r\n").find(text[at]) != std::string_view::npos) {
        ++at;
    }
    const std::string_view place = text.substr(at);
    const auto schemes = std::to_array<std::string_view>({"https://", "http://", "mailto:", "#"});
    return std::any_of(schemes.begin(), schemes.end(),
                       [&](std::string_view scheme) { return starts_without_case(place, scheme); });
}

// Fences and backticks, roughly: it decides how something is broken, not whether.
class CodeWatch {
public:
    void look(std::string_view text, std::size_t at) {
        if (text[at] == '\n') {
            line_is_blank_ = true;
            in_span_ = false;
            return;
        }
        if (line_is_blank_ && text.substr(at, 3) == "```") {
            in_fence_ = !in_fence_;
            skip_to_ = at + 3;
        } else if (text[at] == '`' && !in_fence_ && at >= skip_to_) {
            in_span_ = !in_span_;
        }
        line_is_blank_ = line_is_blank_ && (text[at] == ' ' || text[at] == '\t');
    }
    [[nodiscard]] bool in_code() const { return in_fence_ || in_span_; }

private:
    bool line_is_blank_ = true;  // up to here
    std::size_t skip_to_ = 0;
    bool in_fence_ = false;
    bool in_span_ = false;
};

bool begins_markup(std::string_view text, std::size_t at) {
    const char next = at + 1 < text.size() ? text[at + 1] : '\0';
    return std::isalpha(static_cast<unsigned char>(next)) != 0 || next == '/' || next == '!' || next == '?';
}

}  // namespace

std::string inert_latex(const std::string& text) {
    // Of MathJax and KaTeX: links, styles, classes, ids, HTML, extensions, loaded images.
    constexpr auto kCommands = std::to_array<std::string_view>(
        {"href", "url", "style", "class", "cssId", "html", "htmlClass", "htmlId", "htmlStyle", "htmlData",
         "require", "includegraphics", "mmlToken", "bbox", "csname"});
    std::string out;
    std::size_t copied = 0;
    for (std::size_t at = text.find('\\'); at != std::string::npos; at = text.find('\\', at + 1)) {
        std::size_t end = at + 1;
        while (end < text.size() && std::isalpha(static_cast<unsigned char>(text[end])) != 0) {
            ++end;
        }
        const std::string_view command = std::string_view(text).substr(at + 1, end - at - 1);
        if (std::find(kCommands.begin(), kCommands.end(), command) != kCommands.end()) {
            out.append(text, copied, at + 1 - copied).append(kBreak);
            copied = at + 1;
        }
    }
    return copied == 0 ? text : out.append(text, copied);
}

std::string inert_markdown(const std::string& source) {
    const std::string text = inert_latex(source);
    std::string out;
    out.reserve(text.size() + text.size() / 16);
    CodeWatch watch;
    for (std::size_t at = 0; at < text.size(); ++at) {
        watch.look(text, at);
        const char c = text[at];
        const char next = at + 1 < text.size() ? text[at + 1] : '\0';
        if (c == '<' && begins_markup(text, at)) {
            watch.in_code() ? out.append("<").append(kBreak) : out.append("&lt;");
            continue;
        }
        out += c;
        const bool image = c == '!' && next == '[';
        const bool place = c == ']' && (next == '(' || next == ':') && !leads_to_good_place(text, at + 2);
        if (image || place) {
            out.append(kBreak);
        }
    }
    return out;
}

}  // namespace cellblock::sandbox
