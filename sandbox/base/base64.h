// Base64 (RFC 4648, section 4) as bytes.
//
// A pure function.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cellblock::sandbox {

// The decoded bytes; nullopt if the text isn't base64. Blanks are ignored, and the padding may be missing.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace cellblock::sandbox
