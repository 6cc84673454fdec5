// Headers of images: PNG (RFC 2083), GIF89a, JPEG (T.81), WebP (RFC 9649).
#include "sandbox/outputs/image.h"

#include "sandbox/base/bytes.h"

namespace cellblock::sandbox {

namespace {

using namespace std::literals;

std::uint32_t byte(std::string_view bytes, std::size_t at) {
    return static_cast<unsigned char>(bytes[at]);
}

std::optional<ImageSize> png_size(std::string_view bytes) {
    if (bytes.size() < 33 || !bytes.starts_with("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"sv)) {
        return std::nullopt;
    }
    return ImageSize{big_endian(bytes.data() + 16, 4), big_endian(bytes.data() + 20, 4)};
}

std::optional<ImageSize> gif_size(std::string_view bytes) {
    if (bytes.size() < 13 || !(bytes.starts_with("GIF89a") || bytes.starts_with("GIF87a"))) {
        return std::nullopt;
    }
    return ImageSize{little_endian(bytes.data() + 6, 2), little_endian(bytes.data() + 8, 2)};
}

// The frame's header comes after segments of which each tells its length.
std::optional<ImageSize> jpeg_size(std::string_view bytes) {
    if (!bytes.starts_with("\xff\xd8\xff"sv)) {
        return std::nullopt;
    }
    std::size_t at = 2;
    while (at + 9 <= bytes.size() && byte(bytes, at) == 0xff) {
        const std::uint32_t marker = byte(bytes, at + 1);
        if (marker == 0xff) {  // filling
            ++at;
            continue;
        }
        const bool frame =
            marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
        if (frame) {
            return ImageSize{big_endian(bytes.data() + at + 7, 2), big_endian(bytes.data() + at + 5, 2)};
        }
        const std::uint32_t length = big_endian(bytes.data() + at + 2, 2);
        if (marker == 0xda || marker == 0xd9 || length < 2) {
            return std::nullopt;
        }
        at += 2 + length;
    }
    return std::nullopt;
}

std::optional<ImageSize> webp_size(std::string_view bytes) {
    if (bytes.size() < 30 || !bytes.starts_with("RIFF") || bytes.substr(8, 4) != "WEBP") {
        return std::nullopt;
    }
    const auto kind = bytes.substr(12, 4);
    if (kind == "VP8X") {
        return ImageSize{little_endian(bytes.data() + 24, 3) + 1, little_endian(bytes.data() + 27, 3) + 1};
    }
    if (kind == "VP8L" && byte(bytes, 20) == 0x2f) {
        const std::uint32_t bits = little_endian(bytes.data() + 21, 4);
        return ImageSize{(bits & 0x3fffU) + 1, (bits >> 14U & 0x3fffU) + 1};
    }
    if (kind == "VP8 " && bytes.substr(23, 3) == "\x9d\x01\x2a"sv) {
        return ImageSize{little_endian(bytes.data() + 26, 2) & 0x3fffU,
                         little_endian(bytes.data() + 28, 2) & 0x3fffU};
    }
    return std::nullopt;
}

}  // namespace

std::optional<ImageSize> image_size(std::string_view type, std::string_view bytes) {
    if (type == "image/png") {
        return png_size(bytes);
    }
    if (type == "image/jpeg") {
        return jpeg_size(bytes);
    }
    if (type == "image/gif") {
        return gif_size(bytes);
    }
    return type == "image/webp" ? webp_size(bytes) : std::nullopt;
}

bool is_image(std::string_view type, std::string_view bytes) {
    const auto size = image_size(type, bytes);
    return size && size->width > 0 && size->height > 0 &&
           std::uint64_t{size->width} * size->height <= kMostPixels;
}

}  // namespace cellblock::sandbox
