// Words that become lines and paths: requirements, wheels' names, paths that a builder sends.
#include <cstdint>
#include <string>

#include "sandbox/packages/tree_writer.h"
#include "sandbox/packages/wheel.h"
#include "sandbox/policy/requirement.h"
#include "tests/fuzz/must.h"

using namespace cellblock::sandbox;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    if (const auto requirement = parse_requirement(text)) {
        const std::string line = requirement->text();
        must(line.find_first_of("\n\r \t/@;#\\\"'") == std::string::npos && line.front() != '-');
        const auto again = parse_requirement(line);
        must(again.ok() && again->text() == line);
    }
    if (const auto wheel = parse_wheel_name(text)) {
        must(is_plain_path(wheel->file) && wheel->file.find('/') == std::string::npos);
        must(parse_requirement(wheel->pin()).ok());
    }
    if (is_plain_path(text)) {
        must(text.front() != '/' && ("/" + text + "/").find("/../") == std::string::npos);
    }
    return 0;
}
