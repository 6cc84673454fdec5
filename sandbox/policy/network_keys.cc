// The key `network`.
#include "sandbox/policy/network_keys.h"

#include <algorithm>
#include <array>
#include <set>

#include "sandbox/base/text.h"
#include "sandbox/policy/host_rules.h"
#include "sandbox/policy/key_values.h"

namespace cellblock::sandbox {

namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::size_t kMostRules = 256;
constexpr std::size_t kMostToken = 64;
constexpr std::size_t kMostPath = 1024;
constexpr std::size_t kMostSecrets = 32;
constexpr std::size_t kMostText = 256U << 10;
constexpr const char* kAllowed =
    "\"none\", or an object of `allow`, `deny`, `connections`, `bytes_out` and `bytes_in`, for example "
    "{\"allow\": "
    "[\"api.example.org\"]}";

bool is_token(std::string_view text) {
    return !text.empty() && text.size() <= kMostToken && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '_';
    });
}

bool is_method(std::string_view text) {
    return is_token(text) && text != "CONNECT" && text != "TRACE" && text != "TRACK" &&
           std::none_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

bool is_path(std::string_view text) {
    return text.size() <= kMostPath && text.find_first_of("?*") == std::string_view::npos && plain_path(text);
}

// Those that tell where a message ends or who it is for are the broker's own.
bool may_be_written(std::string_view name) {
    constexpr auto kOwn = std::to_array<std::string_view>(
        {"host", "content-length", "transfer-encoding", "connection", "proxy-connection", "keep-alive", "te",
         "trailer", "upgrade", "expect", "proxy-authorization", "accept-encoding"});
    return is_token(name) && std::find(kOwn.begin(), kOwn.end(), lower(name)) == kOwn.end();
}

Result<SecretHeader> read_header(const std::string& path, const std::string& name, const json& value) {
    constexpr const char* kHeader = "{\"secret\": \"NAME\"}, with \"prefix\": \"Bearer \" if wanted";
    constexpr std::size_t kMostPrefix = 64;
    if (!may_be_written(name)) {
        return Error{path, 0, "this is no header that a policy may write",
                     "Authorization or X-Api-Key, for example, is one"};
    }
    if (!value.is_object()) {
        return wrong_value(path, value, kHeader);
    }
    SecretHeader header{name, {}, {}};
    for (const auto& [key, part] : value.items()) {
        const auto* text = part.get_ptr<const std::string*>();
        const auto is_plain = [](char c) { return c >= ' ' && c < 0x7f; };
        if (key == "secret" && text != nullptr && is_python_name(*text)) {
            header.secret = *text;
        } else if (key == "prefix" && text != nullptr && text->size() <= kMostPrefix &&
                   std::all_of(text->begin(), text->end(), is_plain)) {
            header.prefix = *text;
        } else {
            return wrong_value(path + "." + key, part,
                               key == "secret"
                                   ? "a name of letters, digits and _, as environment variables have it"
                                   : kHeader);
        }
    }
    return header.secret.empty() ? Result<SecretHeader>(wrong_value(path, value, kHeader)) : header;
}

Result<std::vector<SecretHeader>> read_headers(const std::string& path, const json& value) {
    constexpr std::size_t kMostHeaders = 16;
    if (!value.is_object() || value.empty() || value.size() > kMostHeaders) {
        return wrong_value(
            path, value,
            "an object of at most 16 headers, for example {\"Authorization\": {\"secret\": \"NAME\"}}");
    }
    std::vector<SecretHeader> headers;
    for (const auto& [name, part] : value.items()) {
        CELLBLOCK_ASSIGN_OR_RETURN(auto header,
                                   read_header(path + "." + name.substr(0, kMostToken), name, part));
        headers.push_back(std::move(header));
    }
    return headers;
}

// `path`: the rule's place.
Result<HostRule> read_text_rule(const std::string& path, const json& value) {
    if (!value.is_string()) {
        return wrong_value(path, value, "a text such as \"api.example.org\"");
    }
    auto rule = read_host_rule(value.get<std::string>());
    return rule ? rule : wrong_value(path, value, rule.error().message);
}

Status read_part(const std::string& path, const std::string& key, const json& value, HostRule& rule) {
    if (key == "host") {
        return Ok{};
    }
    if (key == "methods") {
        return store(read_names(path, value, &is_method,
                                "a list of at most 64 methods, for example [\"GET\", \"HEAD\"]",
                                "a method in capitals, and not CONNECT or TRACE"),
                     rule.methods);
    }
    if (key == "paths") {
        return store(read_names(path, value, &is_path, "a list of at most 64 paths, for example [\"/v1/\"]",
                                "a path such as \"/v1/models\", or \"/v1/\" for all below it, without '*', "
                                "'?', '..' and '//'"),
                     rule.paths);
    }
    if (key == "header") {
        return store(read_headers(path, value), rule.headers);
    }
    return Error{path, 0, "there is no such key", "A rule has `host`, `methods`, `paths` and `header`"};
}

Result<HostRule> read_object_rule(const std::string& path, const json& value) {
    constexpr std::uint16_t kHttp = 80;
    const auto host = value.find("host");
    if (host == value.end()) {
        return wrong_value(path, value, "an object with `host`");
    }
    CELLBLOCK_ASSIGN_OR_RETURN(auto rule, read_text_rule(path + ".host", *host));
    for (const auto& [key, part] : value.items()) {
        CELLBLOCK_RETURN_IF_ERROR(read_part(path + "." + key.substr(0, kMostToken), key, part, rule));
    }
    for (const char* key : {"methods", "paths"}) {
        if (const auto list = value.find(key); list != value.end() && list->empty()) {
            return Error{path + "." + key, 0, "an empty list allows no request",
                         "Name what is allowed, or take the key out"};
        }
    }
    if (!rule.headers.empty() && rule.host.empty()) {
        return Error{path + ".header", 0, "\"*\" would send the secret to any host",
                     "Name the host that it is for"};
    }
    if (!rule.headers.empty() && rule.port == kHttp) {
        return Error{path + ".header", 0, "port 80 has no TLS, and a secret goes over TLS alone",
                     "Take the port's number out, or name another"};
    }
    return rule;
}

Result<std::vector<HostRule>> read_rules(const std::string& path, const json& value, bool may_be_objects) {
    constexpr const char* kList =
        "a list of at most 256 hosts, for example [\"api.example.org\", \"*.example.org:443\"]";
    if (!value.is_array() || value.size() > kMostRules) {
        return wrong_value(path, value, kList);
    }
    std::vector<HostRule> rules;
    for (std::size_t i = 0; i < value.size(); ++i) {
        const std::string place = path + "[" + std::to_string(i) + "]";
        auto rule = may_be_objects && value[i].is_object() ? read_object_rule(place, value[i])
                                                           : read_text_rule(place, value[i]);
        if (!rule) {
            return rule.error();
        }
        rules.push_back(std::move(*rule));
    }
    return rules;
}

ordered_json write_rule(const HostRule& rule) {
    if (!rule.inspects()) {
        return rule.text;
    }
    ordered_json written{{"host", rule.text}};
    if (!rule.methods.empty()) {
        written["methods"] = rule.methods;
    }
    if (!rule.paths.empty()) {
        written["paths"] = rule.paths;
    }
    for (const auto& header : rule.headers) {
        auto& value = written["header"][header.name];
        value["secret"] = header.secret;
        if (!header.prefix.empty()) {
            value["prefix"] = header.prefix;
        }
    }
    return written;
}

ordered_json write_rules(const std::vector<HostRule>& rules) {
    ordered_json written = ordered_json::array();
    for (const auto& rule : rules) {
        written.push_back(write_rule(rule));
    }
    return written;
}

Status read_member(const std::string& path, const std::string& key, const json& value, NetworkRules& rules) {
    constexpr std::uint32_t kMostConnections = 1024;
    constexpr std::uint64_t kMostBytes = 1ULL << 50;
    if (key == "allow") {
        return store(read_rules(path, value, true), rules.allow);
    }
    if (key == "deny") {
        return store(read_rules(path, value, false), rules.deny);
    }
    if (key == "connections") {
        return store(read_count(path, value, 1, kMostConnections), rules.connections);
    }
    if (key == "bytes_out") {
        return store(read_size(path, value, 1, kMostBytes), rules.bytes_out);
    }
    if (key == "bytes_in") {
        return store(read_size(path, value, 1, kMostBytes), rules.bytes_in);
    }
    return Error{path, 0, "there is no such key", std::string("`network` is ") + kAllowed};
}

}  // namespace

Result<NetworkRules> read_network(const std::string& path, const json& value) {
    NetworkRules rules;
    if (value == "none") {
        return rules;
    }
    if (!value.is_object()) {
        return wrong_value(path, value, kAllowed);
    }
    for (const auto& [key, part] : value.items()) {
        CELLBLOCK_RETURN_IF_ERROR(read_member(path + "." + key, key, part, rules));
    }
    std::set<std::string> secrets;
    for (const auto& rule : rules.allow) {
        for (const auto& header : rule.headers) {
            secrets.insert(header.secret);
        }
    }
    if (secrets.size() > kMostSecrets || write_network(rules).dump().size() > kMostText) {
        return Error{path, 0, "its rules have more than 32 secrets, or more than 256 KiB", "Take some out"};
    }
    return rules;
}

ordered_json write_network(const NetworkRules& rules) {
    if (!rules.any()) {
        return "none";
    }
    return {{"allow", write_rules(rules.allow)},
            {"deny", write_rules(rules.deny)},
            {"connections", rules.connections},
            {"bytes_out", exact_size(rules.bytes_out)},
            {"bytes_in", exact_size(rules.bytes_in)}};
}

}  // namespace cellblock::sandbox
