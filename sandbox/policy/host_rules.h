// Names of hosts, and the rules of `network.allow` and `network.deny`.
//
// Purpose: one strict reading of a host's name for the policy, for what a sandbox asks for and for what a TLS
// client says, so that none of them takes a name for another. A name has letters, digits, '-' and '_' in
// labels of 1 to 63 (RFC 1123; '_' as DNS has it), 253 in all; letters become small, one dot at the end is
// cut. What looks like a number is an address or nothing: "127.1", "0x7f.1", "2130706433" and "010.0.0.1",
// which C libraries read as addresses, are refused, and so is a zone ("fe80::1%eth0"). Other alphabets come
// as A-labels ("xn--…"). Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/api/policy.h"
#include "sandbox/api/result.h"

namespace cellblock::sandbox {

struct HostName {
    std::string text;         // "example.org", "192.0.2.1", "2001:db8::1"
    bool is_address = false;  // IPv4 or IPv6; never both a name and an address

    bool operator==(const HostName&) const = default;
};

// An IPv6 address may have brackets. nullopt: it is no host.
std::optional<HostName> read_host(std::string_view text);

struct HostAndPort {
    HostName host;
    std::uint16_t port = 0;
};
// "example.org:443", "[2001:db8::1]:443". `otherwise`: the port where there is none; 0: there must be one.
// nullopt: it isn't that, or an IPv6 address lacks its brackets.
std::optional<HostAndPort> read_host_and_port(std::string_view text, std::uint16_t otherwise);
// As it is written there.
std::string text_of(const HostName& host, std::uint16_t port);

// "example.org", "*.example.org", "*", each with ":PORT" if wanted, "192.0.2.1", "[2001:db8::1]:443". Error:
// the message says what is wrong.
Result<HostRule> read_host_rule(std::string_view text);

// "*.example.org" is any name below example.org, not example.org itself; "*" is any name, no address. Without
// a port a rule that allows is for 80 and 443, and one that denies for all.
bool allows(const HostRule& rule, const HostName& host, std::uint16_t port);
bool denies(const HostRule& rule, const HostName& host, std::uint16_t port);

struct HostVerdict {
    const HostRule* allowed_by = nullptr;
    const HostRule* denied_by = nullptr;  // wins

    [[nodiscard]] bool allowed() const { return allowed_by != nullptr && denied_by == nullptr; }
};
HostVerdict judge(const NetworkRules& rules, const HostName& host, std::uint16_t port);

// All rules of `allow` for this host and port, in the policy's order.
std::vector<HostRule> rules_for(const NetworkRules& rules, const HostName& host, std::uint16_t port);

// The path of a request's target, without its query. nullopt: it isn't a path, or servers could read it in
// two ways ("/a/../b", "//b", "/%2e%2e/b", a backslash).
std::optional<std::string_view> plain_path(std::string_view target);
// Whether a rule's methods and paths allow a request with this target ("/v1/models?all").
bool allows_request(const HostRule& rule, std::string_view method, std::string_view target);

}  // namespace cellblock::sandbox
