// Terminal text, Markdown and images' headers from a cell.
#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "sandbox/base/text.h"
#include "sandbox/outputs/data_url.h"
#include "sandbox/outputs/image.h"
#include "sandbox/outputs/markdown.h"
#include "sandbox/outputs/terminal_text.h"

using namespace cellblock::sandbox;

namespace {

void check_terminal(const std::string& text) {
    const std::string whole = terminal_text(text);
    TerminalTextFilter filter;
    std::string pieces;
    for (std::size_t at = 0; at < text.size(); at += 3) {
        pieces += filter.filter(text.substr(at, 3));
    }
    const bool controls = std::any_of(whole.begin(), whole.end(), [](unsigned char c) {
        return (c < 0x20 && c != '\n' && c != '\t' && c != '\r' && c != '\b' && c != 0x1b) || c == 0x7f;
    });
    if (controls || pieces != whole || !is_utf8(whole) || terminal_text(whole) != whole) {
        std::abort();
    }
    for (std::size_t at = whole.find('\x1b'); at != std::string::npos; at = whole.find('\x1b', at + 1)) {
        if (whole.compare(at, 2, "\x1b[") != 0) {
            std::abort();
        }
    }
}

void check_formula(const std::string& text, const std::string& name, bool markdown) {
    if (markdown && !may_have_formulas(text)) {
        return;
    }
    for (std::size_t at = text.find("\\" + name); at != std::string::npos;
         at = text.find("\\" + name, at + 1)) {
        const std::size_t end = at + 1 + name.size();
        const bool whole = end == text.size() || std::isalpha(static_cast<unsigned char>(text[end])) == 0;
        const std::size_t before = text.find_last_not_of('\\', at);
        const std::size_t run = at - (before == std::string::npos ? -1 : before);
        if (whole && (markdown || run % 2 == 1)) {
            std::abort();
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    for (const char* type : {"image/png", "image/jpeg", "image/gif", "image/webp"}) {
        (void)is_image(type, text);
    }
    (void)inert_image_url(text);
    if (!is_utf8(text)) {
        return 0;
    }
    check_terminal(text);
    const std::string markdown = inert_markdown(text);
    if (markdown.find("<script") != std::string::npos || markdown.find("![") != std::string::npos ||
        markdown.find("](javascript") != std::string::npos) {
        std::abort();
    }
    for (const char* name : {"unicode", "href", "style", "def", "require"}) {
        // Of two backslashes the second is no command's, but for Markdown.
        check_formula(inert_latex(text), name, false);
        check_formula(markdown, name, true);
    }
    if (inert_latex(inert_latex(text)) != inert_latex(text)) {
        std::abort();
    }
    return 0;
}
