// HTML from a cell. What comes out has no markup but what the allowlists know.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "sandbox/outputs/html.h"
#include "tests/fuzz/markup.h"

using namespace cellblock::sandbox;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string out = markup_of(inert_html(std::string(reinterpret_cast<const char*>(data), size)));
    for (const char* gone : {"<script", "<iframe", "<object", "<embed", "<link", "<meta", "<base", "<form",
                             "<input", "<template", "<!", "<?", "<math", "<foreignObject", " onerror=\"",
                             " onload=\"", "=\"javascript:", "srcdoc=\"", "url(http"}) {
        if (out.find(gone) != std::string::npos) {
            std::abort();
        }
    }
    return 0;
}
