// Durations and sizes in words, both ways.
#include <string>
#include <vector>

#include "sandbox/api/policy.h"
#include "sandbox/policy/key_values.h"
#include "tests/unit/catch.h"

using namespace cellblock::sandbox;
using namespace std::chrono_literals;

TEST_CASE("units: durations with every unit") {
    CHECK(parse_duration("250ms").value() == 250ms);
    CHECK(parse_duration("90s").value() == 90s);
    CHECK(parse_duration("1.5m").value() == 90s);
    CHECK(parse_duration("2h").value() == 2h);
    CHECK(parse_duration("10 s").value() == 10s);
    CHECK(parse_duration("0s").value() == 0ms);
}

TEST_CASE("units: what is no duration is refused, and the units are named") {
    const std::vector<std::string> bad{"",
                                       "s",
                                       "90",
                                       "-1s",
                                       "+1s",
                                       "1e3s",
                                       "1.s",
                                       ".5s",
                                       "1.2.3s",
                                       "1 min",
                                       "1S",
                                       "0x1s",
                                       "1s ",
                                       " 1s",
                                       "1,5s",
                                       "nan",
                                       "inf",
                                       "1  s",
                                       "99999999999999999999h"};
    for (const auto& text : bad) {
        INFO(text);
        const auto result = parse_duration(text);
        REQUIRE_FALSE(result.ok());
        CHECK(result.error().message.find("ms, s, m, h") != std::string::npos);
    }
}

TEST_CASE("units: sizes with every unit") {
    CHECK(parse_size("4096").value() == 4096);
    CHECK(parse_size("1kB").value() == 1000);
    CHECK(parse_size("1GB").value() == 1000000000);
    CHECK(parse_size("64KiB").value() == 65536);
    CHECK(parse_size("256MiB").value() == 256ULL << 20);
    CHECK(parse_size("1.5GiB").value() == 3ULL << 29);
    CHECK(parse_size("2 TiB").value() == 2ULL << 40);
}

TEST_CASE("units: what is no size is refused, and the units are named") {
    for (const char* text : {"", "MiB", "1mib", "-1B", "1M", "1 GiB s", "99999999TiB"}) {
        INFO(text);
        const auto result = parse_size(text);
        REQUIRE_FALSE(result.ok());
        CHECK(result.error().message.find("MiB") != std::string::npos);
    }
}

TEST_CASE("units: a long text is cut in its error") {
    const auto result = parse_size(std::string(1 << 20, '9'));
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().message.size() < 300);
}

TEST_CASE("units: durations and sizes for people") {
    CHECK(format_duration(0ms) == "0 ms");
    CHECK(format_duration(250ms) == "250 ms");
    CHECK(format_duration(1500ms) == "1.5 s");
    CHECK(format_duration(30s) == "30 s");
    CHECK(format_duration(60s) == "60 s");
    CHECK(format_duration(90s) == "90 s");
    CHECK(format_duration(10min) == "10 min");
    CHECK(format_duration(2h) == "2 h");
    CHECK(format_size(0) == "0 B");
    CHECK(format_size(1023) == "1023 B");
    CHECK(format_size(16U << 20) == "16 MiB");
    CHECK(format_size(3ULL << 29) == "1.5 GiB");
    CHECK(format_size(200'000'000) == "200 MB");
    CHECK(format_size(1'000'000'000) == "1 GB");
    CHECK(format_size(1'250'000'000) == "1.25 GB");
    CHECK(format_size(1'234'000'000) == "1234 MB");
    CHECK(format_size(43'528'192) == "41.51 MiB");
    CHECK(format_size(64'000'000ULL << 14) == "976.56 GiB");
}

TEST_CASE("units: amounts are written so that they read back, in the units that they were given in") {
    for (const char* text : {"200MB", "1GB", "5kB", "256MiB", "1GiB", "4097B", "1000KiB", "3TiB", "0B"}) {
        CHECK(exact_size(parse_size(text).value()) == text);
    }
}

TEST_CASE("units: what was likely meant is asked") {
    const std::vector<std::pair<const char*, const char*>> times{
        {"30", "30s"},     {"5 min", "5m"}, {"1.5 Hours", "1.5h"},
        {"10 sec", "10s"}, {"90S", "90s"},  {"7 days", ""},
        {"x", ""},         {"", ""},        {"-5", ""},
        {"0", ""}};
    for (const auto& [text, meant] : times) {
        INFO(text);
        CHECK(meant_duration(text) == meant);
        const auto message = parse_duration(text).error().message;
        CHECK((message.find("did you mean \"" + std::string(meant) + "\"?") != std::string::npos) ==
              (*meant != '\0'));
    }
    const std::vector<std::pair<const char*, const char*>> sizes{{"512M", "512MiB"}, {"2g", "2GiB"},
                                                                 {"200mb", "200MB"}, {"1Gi", "1GiB"},
                                                                 {"5 bytes", "5B"},  {"1 PB", ""}};
    for (const auto& [text, meant] : sizes) {
        INFO(text);
        CHECK(meant_size(text) == meant);
    }
}
