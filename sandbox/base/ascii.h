// Letters of ASCII, whatever the locale says of others.
//
// Purpose: names of elements, attributes and properties are compared in lower
// case. Ownership: plain values. Threads: pure. Failure: none.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace cellblock::sandbox {

inline std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return out;
}

}  // namespace cellblock::sandbox
