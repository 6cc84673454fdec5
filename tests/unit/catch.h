// Catch2 for the unit tests, whichever version is installed: 2.13 (Debian 12) or 3 (Debian 13).
//
// Version 3 split the one header into many and renamed the matcher for a part of a text. The tests include
// this header instead of Catch2's own, and name that matcher cellblock::tests::Contains.
#pragma once

#include <string>

#if __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#else
#include <catch2/catch.hpp>
#endif

namespace cellblock::tests {

// Matches a text that has `part` somewhere: CHECK_THAT(error.message, Contains("no such file"));
inline auto Contains(const std::string& part) {
#if __has_include(<catch2/catch_test_macros.hpp>)
    return Catch::Matchers::ContainsSubstring(part);
#else
    return Catch::Matchers::Contains(part);
#endif
}

}  // namespace cellblock::tests
