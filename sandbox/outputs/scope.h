// The name of one output's root, to which its styles are bound.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cellblock::sandbox {

// A class's name: the same for the same content (FNV-1a).
inline std::string scope_of(std::string_view content) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : content) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    }
    std::string name = "cb-scope-";
    for (int i = 0; i < 12; ++i, hash >>= 4U) {
        name += "0123456789abcdef"[hash & 15U];
    }
    return name;
}

}  // namespace cellblock::sandbox
