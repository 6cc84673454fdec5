// The characters that HTML has names for.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace cellblock::sandbox {

// The character that `&name;` stands for, as Unicode's number. Known are the 252 names of HTML 4.01 (its
// chapter 24), in which upper and lower case differ, and XML's `apos`; of HTML 5's some 2,000 more, none.
[[nodiscard]] std::optional<std::uint32_t> html_entity(std::string_view name);

}  // namespace cellblock::sandbox
