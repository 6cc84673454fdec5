// TZ: what is passed to a sandbox.
#include "sandbox/api/policy.h"
#include "tests/unit/catch.h"

#include <cstdlib>

using namespace cellblock::sandbox;

namespace {

class TimeZone {
public:
    explicit TimeZone(const char* value)
        : had_(std::getenv("TZ") != nullptr), before_(had_ ? std::getenv("TZ") : "") {
        ::setenv("TZ", value, 1);
    }
    ~TimeZone() { had_ ? ::setenv("TZ", before_.c_str(), 1) : ::unsetenv("TZ"); }
    TimeZone(const TimeZone&) = delete;
    TimeZone& operator=(const TimeZone&) = delete;

private:
    bool had_;
    std::string before_;
};

}  // namespace

TEST_CASE("the time zone passes into the sandbox") {
    const std::string zone = GENERATE("Europe/Berlin", "UTC", ":America/Argentina/Buenos_Aires",
                                      "<+0330>-3:30", "EST5EDT,M3.2.0,M11.1.0");
    const TimeZone set(zone.c_str());
    Policy policy;
    pass_time_zone(policy);
    REQUIRE(policy.environment.size() == 1);
    REQUIRE(policy.environment[0].name == "TZ");
    REQUIRE(policy.environment[0].value == zone);
}

TEST_CASE("what is no time zone stays outside") {
    const std::string value = GENERATE(std::string(), std::string("/etc/shadow"), std::string(":/etc/shadow"),
                                       std::string("../../etc/shadow"), std::string("a b"),
                                       std::string("x\ny"), std::string(65, 'x'));
    const TimeZone set(value.c_str());
    Policy policy;
    pass_time_zone(policy);
    REQUIRE(policy.environment.empty());
}

TEST_CASE("a policy's own word on TZ holds") {
    const TimeZone set("Europe/Berlin");
    Policy policy;
    policy.environment.push_back({"TZ", "UTC"});
    pass_time_zone(policy);
    REQUIRE(policy.environment.size() == 1);
    REQUIRE(policy.environment[0].value == "UTC");
}
