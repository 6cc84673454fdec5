// Wheels by their file names (PEP 427).
//
// Purpose: name and version, told from a file name that a builder gave, which
// is checked before a path is made of it. Ownership: plain values. Threads: pure.
// Failure: an Error.
#pragma once

#include <string>
#include <string_view>

#include "sandbox/api/result.h"

namespace cellblock::sandbox {

struct WheelName {
    std::string file;     // "some_name-1.0-py3-none-any.whl"
    std::string name;     // "some-name", in normal form
    std::string version;  // "1.0"

    [[nodiscard]] std::string pin() const { return name + "==" + version; }
};

Result<WheelName> parse_wheel_name(std::string_view file);

}  // namespace cellblock::sandbox
