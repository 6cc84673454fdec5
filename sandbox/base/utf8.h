// UTF-8: what is a character, what is whole text.
//
// Purpose: bytes from a sandbox count as text only after is_utf8().
// Threads: no state. Failure: none; these answer for any bytes.
#pragma once

#include <cstddef>
#include <string_view>

namespace cellblock::sandbox {

// The length in bytes of the character that starts at text[at]; 0 if none does (RFC 3629: no overlong
// forms, no surrogates, nothing above U+10FFFF).
std::size_t utf8_length(std::string_view text, std::size_t at);

bool is_utf8(std::string_view text);

// The longest start of `text` with at most `max` bytes that ends between two characters.
std::string_view utf8_prefix(std::string_view text, std::size_t max);

}  // namespace cellblock::sandbox
