// The first bytes of TLS, written by hand.
#pragma once

#include <cstddef>
#include <string>

namespace cellblock::tests {

inline std::string two(std::size_t number) {
    return {static_cast<char>(number >> 8U), static_cast<char>(number & 255U)};
}

inline std::string extension(unsigned type, const std::string& content) {
    return two(type) + two(content.size()) + content;
}

inline std::string server_name(const std::string& name) {
    const std::string entry = std::string(1, '\0') + two(name.size()) + name;
    return extension(0, two(entry.size()) + entry);
}

inline std::string hello(const std::string& extensions) {
    const std::string body = "\x03\x03" + std::string(32, 'r') + std::string(1, '\0') + two(2) + "\x13\x01" +
                             "\x01" + std::string(1, '\0') + two(extensions.size()) + extensions;
    return "\x01" + std::string(1, '\0') + two(body.size()) + body;
}

inline std::string record(const std::string& content) {
    return "\x16\x03\x01" + two(content.size()) + content;
}

}  // namespace cellblock::tests
