// Hosts' names, and which of them rules allow.
#include "sandbox/policy/host_rules.h"

#include "sandbox/network/public_address.h"
#include "tests/unit/catch.h"

using namespace cellblock::sandbox;

namespace {

HostName host(const std::string& text) {
    const auto read = read_host(text);
    REQUIRE(read);
    return *read;
}

HostRule rule(const std::string& text) {
    const auto read = read_host_rule(text);
    INFO(text);
    REQUIRE(read);
    return *read;
}

bool allows(const std::string& text, const std::string& name, std::uint16_t port = 443) {
    return cellblock::sandbox::allows(rule(text), host(name), port);
}

network::Address address(const std::string& text) {
    const auto read = network::read_address(text);
    REQUIRE(read);
    return *read;
}

}  // namespace

TEST_CASE("a host has one normal form") {
    CHECK(host("API.Example.ORG.").text == "api.example.org");
    CHECK(host("a_b.example").text == "a_b.example");
    CHECK(host("xn--mnchen-3ya.example").text == "xn--mnchen-3ya.example");
    CHECK(host("192.0.2.1") == HostName{"192.0.2.1", true});
    CHECK(host("[2001:DB8:0:0::1]") == HostName{"2001:db8::1", true});
    CHECK(host("2001:db8::1") == HostName{"2001:db8::1", true});
    CHECK(host(std::string(63, 'a') + ".b").text.size() == 65);
}

TEST_CASE("what some library could read as another host is no host") {
    const auto text = GENERATE(
        as<std::string>{}, "", ".", "..", "a..", "a.example..", "127.0.0.1..", "a..b", ".a", "a b", "a\tb",
        "a%b", "a/b", "a@b", "a:b", "a#b", "-a.b", "a-.b", "münchen.example", "127.1", "0x7f.1", "0x7f000001",
        "2130706433", "010.0.0.1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.04", "01.2.3.4", "0x1.2.3.4",
        "a.0x1f", "a.1", "192.0.2.1.", "::1%lo", "[::1%25lo]", "fe80::1%eth0", "::ffff:1.2.3.4%x.allowed.com",
        "[::1", "::1]", "[example.org]", "*", "*.a", "a*", "a\\b", "http://a", "\xff", "a\xc2\xa0");
    INFO(text);
    if (text == "192.0.2.1.") {
        CHECK(read_host(text) == HostName{"192.0.2.1", true});
        return;
    }
    CHECK_FALSE(read_host(text));
    CHECK_FALSE(read_host(text + std::string(1, '\0') + ".example.org"));
}

TEST_CASE("a name has 253 bytes and its labels 63") {
    CHECK_FALSE(read_host(std::string(64, 'a')));
    std::string name;
    while (name.size() < 250) {
        name += "a.";
    }
    CHECK(read_host(name + "aaa"));
    CHECK_FALSE(read_host(name + "aaaa"));
    CHECK_FALSE(read_host(std::string("attacker\0.google.com", 20)));
}

TEST_CASE("a rule is for its host, its labels and its ports alone") {
    CHECK(allows("example.org", "example.org"));
    CHECK(allows("Example.org.", "EXAMPLE.org", 80));
    CHECK_FALSE(allows("example.org", "example.org", 8443));
    CHECK(allows("example.org:8443", "example.org", 8443));
    CHECK_FALSE(allows("example.org:8443", "example.org", 443));
    CHECK_FALSE(allows("example.org", "www.example.org"));
    CHECK_FALSE(allows("example.org", "badexample.org"));
    CHECK(allows("*.example.org", "a.b.example.org"));
    CHECK_FALSE(allows("*.example.org", "example.org"));
    CHECK_FALSE(allows("*.example.org", "badexample.org"));
    CHECK_FALSE(allows("*.example.org", "example.org.evil.com"));
    CHECK(allows("*", "anything.example"));
    CHECK_FALSE(allows("*", "192.0.2.1"));
    CHECK_FALSE(allows("*", "anything.example", 25));
    CHECK(allows("*:25", "anything.example", 25));
    CHECK(allows("192.0.2.1", "192.0.2.1"));
    CHECK(allows("[2001:db8::1]:22", "2001:db8:0::1", 22));
    CHECK(allows("2001:db8::1", "2001:db8::1", 80));
}

TEST_CASE("a rule that is none is refused") {
    const auto text =
        GENERATE(as<std::string>{}, "", "*.", "*.*.a", "a.*", "**.a", "*.192.0.2.1", "a:", "a:0", "a:65536",
                 "a:080", "a:x", "a:1:2", "http://a", "a/b", "192.0.2", "[::1]x", "[::1]:", "10.0.0.0/8");
    INFO(text);
    CHECK_FALSE(read_host_rule(text));
}

TEST_CASE("deny wins, and no rule allows nothing") {
    NetworkRules rules;
    CHECK_FALSE(judge(rules, host("example.org"), 443).allowed());
    rules.allow = {rule("*.example.org")};
    rules.deny = {rule("bad.example.org"), rule("*.bad.example.org")};
    CHECK(judge(rules, host("a.example.org"), 443).allowed());
    CHECK_FALSE(judge(rules, host("bad.example.org"), 443).allowed());
    CHECK_FALSE(judge(rules, host("x.bad.example.org"), 443).allowed());
    CHECK(judge(rules, host("bad.example.org"), 443).denied_by->text == "bad.example.org");
    rules.allow = {rule("bad.example.org:25"), rule("other.example.org:25")};
    rules.deny = {rule("bad.example.org"), rule("other.example.org:80")};
    CHECK_FALSE(judge(rules, host("bad.example.org"), 25).allowed());
    CHECK(judge(rules, host("other.example.org"), 25).allowed());
}

TEST_CASE("addresses of the public Internet") {
    const auto text =
        GENERATE(as<std::string>{}, "1.1.1.1", "8.8.8.8", "93.184.216.34", "172.15.0.1", "172.32.0.1",
                 "100.63.255.255", "100.128.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255",
                 "2606:4700:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808");
    INFO(text);
    CHECK(network::is_public(address(text)));
}

TEST_CASE("addresses that are somebody's own") {
    const auto text = GENERATE(
        as<std::string>{}, "0.0.0.0", "0.1.2.3", "10.0.0.1", "127.0.0.1", "127.255.255.254", "100.64.0.1",
        "100.127.255.255", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1",
        "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1",
        "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "168.63.129.16", "::", "::1",
        "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001::1", "2001:db8::1",
        "2002:7f00:1::", "3fff::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1",
        "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "5f00::1", "fec0::1");
    INFO(text);
    CHECK_FALSE(network::is_public(address(text)));
}

TEST_CASE("A path that servers could read in two ways is none") {
    for (const char* path : {"/", "/v1", "/v1/", "/a/b?c=../d", "/a%20b", "/.hidden", "/a..b", "/a;b=c/d",
                             "/%e2%82%ac", "/a%3Bb", "/..a"}) {
        CHECK(plain_path(path).has_value());
    }
    for (const char* path : {"",
                             "v1",
                             "*",
                             "//",
                             "/a//b",
                             "/a//",
                             "/..",
                             "/../a",
                             "/a/..",
                             "/a/./b",
                             "/%2e%2e/a",
                             "/a%2Fb",
                             "/a%5cb",
                             "/a\\b",
                             "/a b",
                             "/a#b",
                             "/a%252e",
                             "/..;x/a",
                             "/a%00",
                             "/\xff",
                             "http://a/",
                             "/..%3b/a",
                             "/..%3B",
                             "/%c0%ae%c0%ae/a",
                             "/%e0%80%ae/a",
                             "/%u002e/a",
                             "/a%",
                             "/a%2",
                             "/a%-1",
                             "/..%20/a",
                             "/.../a",
                             "/;a/b",
                             "/a%0ab",
                             "/a%09b",
                             "/a%7f"}) {
        CHECK_FALSE(plain_path(path).has_value());
    }
    CHECK(plain_path("/a?b") == "/a");
}

TEST_CASE("A rule's methods and paths") {
    HostRule rule;
    CHECK(allows_request(rule, "GET", "/a/../b"));  // nobody asked
    rule.methods = {"GET"};
    rule.paths = {"/v1/", "/exact"};
    CHECK(allows_request(rule, "GET", "/v1/a/b?c"));
    CHECK(allows_request(rule, "GET", "/exact?x"));
    CHECK_FALSE(allows_request(rule, "POST", "/v1/a"));
    CHECK_FALSE(allows_request(rule, "get", "/v1/a"));
    CHECK_FALSE(allows_request(rule, "GET", "/v1"));
    CHECK_FALSE(allows_request(rule, "GET", "/exact/"));
    CHECK_FALSE(allows_request(rule, "GET", "/v1/../exact"));
}
