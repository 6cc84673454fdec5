// UTF-8: whole characters, hostile bytes; hexadecimal and times.
#include "sandbox/base/text.h"
#include "sandbox/base/escaped_line.h"
#include "tests/unit/catch.h"

#include <string>
#include <vector>

using namespace cellblock::sandbox;

TEST_CASE("a text is split at its separators") {
    using Parts = std::vector<std::string>;
    CHECK(split_at("", ',').empty());
    CHECK(split_at("a", ',') == Parts{"a"});
    CHECK(split_at("a,,b,", ',') == Parts{"a", "", "b"});
    CHECK(split_at(",", ',') == Parts{""});
}

TEST_CASE("text of any script is UTF-8") {
    const std::string text = GENERATE("", "plain", "a line\n\tand \x01 controls", "añb", "日本語のテキスト",
                                      "𝒳 and 🙂", "\xf4\x8f\xbf\xbf");
    REQUIRE(is_utf8(text));
    REQUIRE(is_utf8(std::string(1000, 'x') + text + std::string(7, 'y')));
}

TEST_CASE("what only looks like UTF-8 is not") {
    const std::string bytes = GENERATE("\x80", "\xff", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf", "\xe0\x9f\xbf",
                                       "\xf0\x80\x80\xaf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf4\x90\x80\x80",
                                       "\xf5\x80\x80\x80", "\xc3", "\xe2\x82", "\xf0\x9f\x99", "\xe2\x82z");
    REQUIRE_FALSE(is_utf8(bytes));
    REQUIRE_FALSE(is_utf8(std::string(16, 'x') + bytes));
    REQUIRE_FALSE(is_utf8(bytes + std::string(16, 'x')));
    REQUIRE(utf8_length(bytes, 0) == 0);
}

TEST_CASE("a cut never splits a character") {
    REQUIRE(utf8_prefix("añb", 2) == "a");
    REQUIRE(utf8_prefix("añb", 3) == "añ");
    REQUIRE(utf8_prefix("añb", 9) == "añb");
    REQUIRE(utf8_prefix("𝒳", 3).empty());
}

TEST_CASE("a line is shown with nothing in it that a terminal would obey") {
    CHECK(escaped_line("plain\tañb 日本語 🙂") == "plain\tañb 日本語 🙂");
    CHECK(escaped_line("a\x1b]52;c;eA==\x07z\r\x7f") == "a\\x1b]52;c;eA==\\x07z\\x0d\\x7f");
    CHECK(escaped_line("\xc2\x9b"
                       "31m \xff\xc3") == "\\u009b31m \\xff\\xc3");
    CHECK(escaped_line("a\xe2\x80\xae"
                       "b\xe2\x81\xa9\xe2\x80\xa8") == "a\\u202eb\\u2069\\u2028");
    CHECK(escaped_line("").empty());
}

TEST_CASE("hexadecimal has two digits for each byte") {
    CHECK(hex(std::string_view("\x00\x7f\xff", 3)) == "007fff");
    CHECK(hex("").empty());
}

TEST_CASE("a time is written in UTC, with as many digits of the second's fraction as are asked for") {
    const std::chrono::system_clock::time_point time{std::chrono::microseconds(1'700'000'000'012'345)};
    CHECK(utc_text(time, 3) == "2023-11-14T22:13:20.012Z");
    CHECK(utc_text(time, 6) == "2023-11-14T22:13:20.012345Z");
}
