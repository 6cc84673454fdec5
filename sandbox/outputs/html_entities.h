// The characters that HTML has names for.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace cellblock::sandbox {

// What `&name;` stands for, as a number of Unicode: the 252 names of HTML 4.01 (its chapter 24), which differ
// in upper and lower case, and XML's `apos`. Nothing for any other name, of which HTML 5 has some 2,000.
[[nodiscard]] std::optional<std::uint32_t> html_entity(std::string_view name);

}  // namespace cellblock::sandbox
