// SVG from a cell.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "sandbox/outputs/svg.h"
#include "tests/fuzz/markup.h"

using namespace cellblock::sandbox;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto out = inert_svg(std::string(reinterpret_cast<const char*>(data), size));
    if (!out) {
        return 0;
    }
    const std::string markup = markup_of(*out);
    for (const char* gone : {"<script", "<foreignObject", "<animate", "<set", "<!", "<?", "<a ", "<feImage",
                             "href=\"http", "href=\"java", "url(http", " onload=\""}) {
        if (markup.find(gone) != std::string::npos) {
            std::abort();
        }
    }
    // It is well-formed, and nothing in it is refused the second time.
    if (!inert_svg(*out)) {
        std::abort();
    }
    return 0;
}
