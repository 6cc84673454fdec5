// data: URLs of images, the only kind of address that an output may load from.
//
// Ownership, threads: pure. Failure: nothing where it isn't a good image.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cellblock::sandbox {

// "data:image/png;base64,…" in one form, if it is an image that is what it says.
std::optional<std::string> inert_image_url(std::string_view url);

// Nothing if it isn't base64. Blanks are passed over.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace cellblock::sandbox
