#include "sandbox/base/escaped_line.h"

#include <algorithm>
#include <cstdint>

#include "sandbox/base/text.h"

namespace cellblock::sandbox {

namespace {

// The number of the character that these bytes of UTF-8 are.
std::uint32_t code_point(std::string_view character) {
    const auto lead = static_cast<unsigned char>(character[0]);
    std::uint32_t code = character.size() == 1 ? lead : lead & (0x7fU >> character.size());
    for (const char byte : character.substr(1)) {
        code = code << 6U | (static_cast<unsigned char>(byte) & 0x3fU);
    }
    return code;
}

// A terminal's control character of two bytes, an end of line or a change of direction: what is shown would
// not be what is written. All of them are below U+10000.
bool misleads(std::uint32_t code) {
    const auto within = [code](std::uint32_t first, std::uint32_t last) {
        return code >= first && code <= last;
    };
    return within(0x80, 0x9f) || within(0x200e, 0x200f) || within(0x2028, 0x202e) || within(0x2066, 0x2069) ||
           code == 0x061c;
}

}  // namespace

std::string escaped_line(std::string_view line) {
    std::string out;
    while (!line.empty()) {
        const std::size_t size = utf8_length(line, 0);
        const auto lead = static_cast<unsigned char>(line[0]);
        if (size == 0 || (size == 1 && line[0] != '\t' && (lead < 0x20 || lead == 0x7f))) {
            out += "\\x" + hex(line.substr(0, 1));
        } else if (const auto code = code_point(line.substr(0, size)); misleads(code)) {
            const char bytes[] = {static_cast<char>(code >> 8U), static_cast<char>(code & 0xffU)};
            out += "\\u" + hex({bytes, sizeof bytes});
        } else {
            out += line.substr(0, size);
        }
        line.remove_prefix(std::max<std::size_t>(size, 1));
    }
    return out;
}

}  // namespace cellblock::sandbox
