// data: URLs (RFC 2397) with base64 (RFC 4648), of images, sound and video.
#include "sandbox/outputs/data_url.h"

#include <array>

#include "sandbox/base/base64.h"
#include "sandbox/outputs/image.h"

namespace cellblock::sandbox {

namespace {

bool is_blank(char c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

std::string without_blanks(std::string_view text) {
    std::string out(text);
    std::erase_if(out, is_blank);
    return out;
}

// Containers of sound and video, told by how they begin.
using namespace std::literals;

struct Kind {
    std::string_view type;
    bool (*begins)(std::string_view bytes);
};

bool is_wave(std::string_view bytes) {
    return bytes.starts_with("RIFF") && bytes.substr(8, 4) == "WAVE";
}

bool is_mpeg_audio(std::string_view bytes) {
    return bytes.starts_with("ID3") ||
           (bytes.size() > 2 && bytes[0] == '\xff' && (bytes[1] & '\xe0') == '\xe0');
}

bool is_ogg(std::string_view bytes) {
    return bytes.starts_with("OggS");
}

bool is_flac(std::string_view bytes) {
    return bytes.starts_with("fLaC");
}

bool is_webm(std::string_view bytes) {
    return bytes.starts_with("\x1a\x45\xdf\xa3"sv);
}

bool is_mp4(std::string_view bytes) {
    return bytes.size() > 12 && bytes.substr(4, 4) == "ftyp";
}

constexpr auto kKinds = std::to_array<Kind>({
    {"audio/wav", &is_wave},
    {"audio/x-wav", &is_wave},
    {"audio/wave", &is_wave},
    {"audio/mpeg", &is_mpeg_audio},
    {"audio/mp3", &is_mpeg_audio},
    {"audio/ogg", &is_ogg},
    {"audio/flac", &is_flac},
    {"audio/webm", &is_webm},
    {"audio/mp4", &is_mp4},
    {"video/mp4", &is_mp4},
    {"video/webm", &is_webm},
    {"video/ogg", &is_ogg},
});

}  // namespace

std::optional<std::string> inert_image_url(std::string_view url) {
    constexpr auto kTypes =
        std::to_array<std::string_view>({"image/png", "image/jpeg", "image/gif", "image/webp"});
    for (const auto type : kTypes) {
        const std::string start = "data:" + std::string(type) + ";base64,";
        if (!url.starts_with(start)) {
            continue;
        }
        const std::string content = without_blanks(url.substr(start.size()));
        const auto bytes = decode_base64(content);
        return bytes && is_image(type, *bytes) ? std::optional(start + content) : std::nullopt;
    }
    return std::nullopt;
}

std::optional<std::string> inert_media_url(std::string_view element, std::string_view url) {
    for (const auto& kind : kKinds) {
        const std::string start = "data:" + std::string(kind.type) + ";base64,";
        if (!kind.type.starts_with(element) || !url.starts_with(start)) {
            continue;
        }
        const std::string content = without_blanks(url.substr(start.size()));
        const auto bytes = decode_base64(content);
        return bytes && kind.begins(*bytes) ? std::optional(start + content) : std::nullopt;
    }
    return std::nullopt;
}

}  // namespace cellblock::sandbox
