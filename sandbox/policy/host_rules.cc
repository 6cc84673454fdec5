// The syntax of hosts and rules, and which rule is for which host.
#include "sandbox/policy/host_rules.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>

#include "sandbox/base/text.h"

namespace cellblock::sandbox {

namespace {

constexpr std::size_t kMostName = 253;
constexpr std::size_t kMostLabel = 63;
constexpr std::uint16_t kHttp = 80;
constexpr std::uint16_t kHttps = 443;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_letter(char c) {
    return c >= 'a' && c <= 'z';
}

bool is_label(std::string_view label) {
    return !label.empty() && label.size() <= kMostLabel && label.front() != '-' && label.back() != '-' &&
           std::all_of(label.begin(), label.end(),
                       [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '_'; });
}

// As the last label of a name it would make some libraries read the whole as an address (WHATWG URL, "ends
// in a number").
bool looks_like_a_number(std::string_view label) {
    const bool hexadecimal = label.starts_with("0x");
    return std::all_of(label.begin(), label.end(), is_digit) ||
           (hexadecimal && std::all_of(label.begin() + 2, label.end(),
                                       [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }));
}

std::optional<HostName> read_ipv6(const std::string& text) {
    in6_addr address{};
    std::array<char, INET6_ADDRSTRLEN> shown{};
    if (::inet_pton(AF_INET6, text.c_str(), &address) != 1 ||
        ::inet_ntop(AF_INET6, &address, shown.data(), shown.size()) == nullptr) {
        return std::nullopt;
    }
    return HostName{shown.data(), true};
}

// Four numbers without a zero in front.
std::optional<HostName> read_ipv4(const std::string& text) {
    const auto parts = split_at(text, '.');
    const bool plain = parts.size() == 4 && std::all_of(parts.begin(), parts.end(), [](const auto& part) {
                           return !part.empty() && part.size() <= 3 && (part == "0" || part.front() != '0');
                       });
    in_addr address{};
    return plain && ::inet_pton(AF_INET, text.c_str(), &address) == 1 ? std::optional(HostName{text, true})
                                                                      : std::nullopt;
}

std::optional<std::uint16_t> read_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), port);
    const bool whole = failed == std::errc() && end == text.data() + text.size() && !text.empty();
    return whole && port != 0 && text.front() != '0' ? std::optional(port) : std::nullopt;
}

// Cuts ":443" off. nullopt: what is there is no port.
std::optional<std::uint16_t> cut_port(std::string_view& text) {
    const auto colon = text.rfind(':');
    const auto bracket = text.rfind(']');
    const bool several = text.find(':') != colon;  // an IPv6 address without brackets has no port
    if (colon == std::string_view::npos || (bracket == std::string_view::npos && several) ||
        (bracket != std::string_view::npos && colon < bracket)) {
        return 0;
    }
    const auto port = read_port(text.substr(colon + 1));
    text = text.substr(0, colon);
    return port;
}

// What the escapes of a path ("%20") stand for. nullopt: one is none, or hides what parts of a path or other
// escapes are made of, or a control character; or the whole isn't UTF-8, which some servers read as another
// '.' or '/' ("%c0%ae").
std::optional<std::string> without_escapes(std::string_view path) {
    constexpr std::size_t kSize = 3;
    std::string out;
    for (std::size_t at = 0; at < path.size(); ++at) {
        if (path[at] != '%') {
            out += path[at];
            continue;
        }
        const auto digits = path.substr(at + 1, kSize - 1);
        unsigned value = 0;
        const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
        if (failed != std::errc() || end != path.data() + at + kSize || value < ' ' || value == 0x7f ||
            std::string_view("./\\%").find(static_cast<char>(value)) != std::string_view::npos) {
            return std::nullopt;
        }
        out += static_cast<char>(value);
        at += digits.size();
    }
    return is_utf8(out) ? std::optional(out) : std::nullopt;
}

bool is_of(const HostRule& rule, const HostName& host) {
    if (rule.is_address != host.is_address) {
        return false;
    }
    return rule.below ? rule.host.empty() || host.text.ends_with("." + rule.host) : host.text == rule.host;
}

}  // namespace

std::optional<HostName> read_host(std::string_view text) {
    if (text.size() >= 2 && text.front() == '[' && text.back() == ']') {
        return read_ipv6(std::string(text.substr(1, text.size() - 2)));
    }
    if (text.find(':') != std::string_view::npos) {
        return read_ipv6(std::string(text));
    }
    std::string name = lower(text);
    if (name.ends_with('.')) {
        name.pop_back();
    }
    if (name.empty() || name.size() > kMostName || name.ends_with('.')) {
        return std::nullopt;
    }
    const auto labels = split_at(name, '.');
    if (!std::all_of(labels.begin(), labels.end(), [](const auto& label) { return is_label(label); })) {
        return std::nullopt;
    }
    return looks_like_a_number(labels.back()) ? read_ipv4(name) : std::optional(HostName{name, false});
}

std::optional<HostAndPort> read_host_and_port(std::string_view text, std::uint16_t otherwise) {
    const auto port = cut_port(text);
    const bool lacks_brackets = text.find(':') != std::string_view::npos && !text.starts_with('[');
    const auto host = port && !lacks_brackets ? read_host(text) : std::nullopt;
    if (!host || (*port == 0 && otherwise == 0)) {
        return std::nullopt;
    }
    return HostAndPort{*host, *port != 0 ? *port : otherwise};
}

std::string text_of(const HostName& host, std::uint16_t port) {
    const bool six = host.text.find(':') != std::string::npos;
    return (six ? "[" + host.text + "]" : host.text) + ":" + std::to_string(port);
}

Result<HostRule> read_host_rule(std::string_view text) {
    HostRule rule;
    rule.text = std::string(text);
    const auto port = cut_port(text);
    if (!port) {
        return Error{{}, 0, "a port is a number from 1 to 65535", {}};
    }
    rule.port = *port;
    if (text == "*") {
        rule.below = true;
        return rule;
    }
    rule.below = text.starts_with("*.");
    const auto host = read_host(rule.below ? text.substr(2) : text);
    if (!host || (rule.below && host->is_address)) {
        return Error{{},
                     0,
                     "it is no host: a name (\"example.org\", \"*.example.org\"; other alphabets as "
                     "\"xn--…\"), or an address (\"192.0.2.1\", \"[2001:db8::1]:443\")",
                     {}};
    }
    rule.host = host->text;
    rule.is_address = host->is_address;
    return rule;
}

bool allows(const HostRule& rule, const HostName& host, std::uint16_t port) {
    const bool fits = rule.port != 0 ? port == rule.port : port == kHttp || port == kHttps;
    return fits && is_of(rule, host);
}

bool denies(const HostRule& rule, const HostName& host, std::uint16_t port) {
    return (rule.port == 0 || port == rule.port) && is_of(rule, host);
}

HostVerdict judge(const NetworkRules& rules, const HostName& host, std::uint16_t port) {
    const auto find = [&](const std::vector<HostRule>& list, const auto& is_for) {
        const auto found = std::find_if(list.begin(), list.end(),
                                        [&](const HostRule& rule) { return is_for(rule, host, port); });
        return found != list.end() ? &*found : nullptr;
    };
    return {find(rules.allow, allows), find(rules.deny, denies)};
}

std::vector<HostRule> rules_for(const NetworkRules& rules, const HostName& host, std::uint16_t port) {
    std::vector<HostRule> found;
    std::copy_if(rules.allow.begin(), rules.allow.end(), std::back_inserter(found),
                 [&](const HostRule& rule) { return allows(rule, host, port); });
    return found;
}

std::optional<std::string_view> plain_path(std::string_view target) {
    const std::string_view path = target.substr(0, target.find('?'));
    const bool printable = std::all_of(path.begin(), path.end(),
                                       [](char c) { return c > ' ' && c < 0x7f && c != '\\' && c != '#'; });
    if (!path.starts_with('/') || !printable) {
        return std::nullopt;
    }
    const auto decoded = without_escapes(path.substr(1));
    if (!decoded) {
        return std::nullopt;
    }
    const auto parts = split_at(*decoded, '/');  // "/v1/" has one
    const bool plain = std::none_of(parts.begin(), parts.end(), [](std::string_view part) {
        // Some servers cut parameters off, some dots and spaces at a name's end.
        return part.substr(0, part.find(';')).find_first_not_of(". ") == std::string_view::npos;
    });
    return plain ? std::optional(path) : std::nullopt;
}

bool allows_request(const HostRule& rule, std::string_view method, std::string_view target) {
    if (!rule.methods.empty() &&
        std::find(rule.methods.begin(), rule.methods.end(), method) == rule.methods.end()) {
        return false;
    }
    const auto path = plain_path(target);
    return rule.paths.empty() ||
           (path && std::any_of(rule.paths.begin(), rule.paths.end(), [&](const std::string& allowed) {
                return allowed.ends_with('/') ? path->starts_with(allowed) : *path == allowed;
            }));
}

}  // namespace cellblock::sandbox
