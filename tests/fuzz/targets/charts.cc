// Figures of plotly and vega-lite from a cell.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "sandbox/base/text.h"
#include "sandbox/outputs/charts.h"

using namespace cellblock::sandbox;

namespace {

void check(bool good) {
    if (!good) {
        std::abort();
    }
}

// A text that plotly makes a link or a style with an address of.
bool has_link(const std::string& text) {
    const std::string small = lower(text);
    for (std::size_t at = small.find('<'); at != std::string::npos; at = small.find('<', at + 1)) {
        const std::size_t end = small.find_first_of("<>", at + 1);
        if (end == std::string::npos || small[end] == '<') {
            continue;
        }
        const std::string inner = small.substr(at + 1, end - at - 1);
        if (inner == "a" || inner.starts_with("a ") || inner.find("url(h") != std::string::npos) {
            return true;
        }
    }
    return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string input(reinterpret_cast<const char*>(data), size);
    const std::string text = inert_plotly_text(input);
    check(!has_link(text) && (input.find('$') != std::string::npos || inert_plotly_text(text) == text));
    if (is_safe_expression(input)) {
        for (const char* gone :
             {".constructor", ".__proto__", "window.", "alert(", "eval(", "=>", "`", "\\"}) {
            // In quotes it is a text, which only a bracket behind a value would make a name of.
            check(input.find_first_of("\"'") != std::string::npos || input.find(gone) == std::string::npos);
        }
    }
    // What is let through is let through again, and stays.
    for (const char* type : {"application/vnd.plotly.v1+json", "application/vnd.vegalite.v5+json"}) {
        if (const Chart once = inert_chart(type, input); once.json) {
            check(inert_chart(type, *once.json).json == once.json);
        }
    }
    return 0;
}
