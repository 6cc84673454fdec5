// Style attributes and style sheets from a cell.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sandbox/outputs/css.h"

using namespace cellblock::sandbox;

namespace {

void check(const std::string& out) {
    for (const char* gone : {"<", "\\", "position", "url(h", "url(\"", "@import", "@font", "expression("}) {
        // Words may stand in strings and names; what counts can't.
        const bool word = std::string_view(gone) == "position" || std::string_view(gone) == "expression(";
        if (!word && out.find(gone) != std::string::npos && out.find('"') == std::string::npos &&
            out.find('\'') == std::string::npos) {
            std::abort();
        }
    }
    if (out.find("</") != std::string::npos) {
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::string declarations = inert_declarations(text);
    check(declarations);
    if (inert_declarations(declarations) != declarations) {
        std::abort();  // what was judged good reads as the same again
    }
    check(inert_stylesheet(text, ".s"));
    return 0;
}
