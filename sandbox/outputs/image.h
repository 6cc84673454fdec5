// A check that bytes are the image that their MIME type says.
//
// A front end hands images to a decoder; what gets there has the right beginning and a bounded number of
// pixels. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace cellblock::sandbox {

constexpr std::uint64_t kMostPixels = 100'000'000;

struct ImageSize {
    std::uint32_t width = 0;
    std::uint32_t height = 0;
};

// `type`: "image/png", "image/jpeg", "image/gif" or "image/webp".
std::optional<ImageSize> image_size(std::string_view type, std::string_view bytes);

// The size is known and within kMostPixels.
bool is_image(std::string_view type, std::string_view bytes);

}  // namespace cellblock::sandbox
