// data: URLs of images, sound and video: the only kind of address that an output may load from.
//
// The functions decode the base64 content and check that it begins as a file of its type does. They return
// the URL in one form ("data:image/png;base64,..."), and nullopt if the content isn't what the URL says. Pure
// functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cellblock::sandbox {

// For image/png, image/jpeg, image/gif and image/webp.
std::optional<std::string> inert_image_url(std::string_view url);

// The same for sound and video. `element`: "audio" or "video".
std::optional<std::string> inert_media_url(std::string_view element, std::string_view url);

}  // namespace cellblock::sandbox
