// The key `network`.
#include "sandbox/policy/network_keys.h"

#include "sandbox/policy/host_rules.h"
#include "sandbox/policy/key_values.h"

namespace cellblock::sandbox {

namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::size_t kMostRules = 256;
constexpr const char* kAllowed =
    "\"none\", or an object of `allow`, `deny`, `connections`, `bytes_out` and `bytes_in`, for example "
    "{\"allow\": "
    "[\"api.example.org\"]}";

Result<std::vector<HostRule>> read_rules(const std::string& path, const json& value) {
    constexpr const char* kList =
        "a list of at most 256 hosts, for example [\"api.example.org\", \"*.example.org:443\"]";
    if (!value.is_array() || value.size() > kMostRules) {
        return wrong_value(path, value, kList);
    }
    std::vector<HostRule> rules;
    for (std::size_t i = 0; i < value.size(); ++i) {
        const std::string place = path + "[" + std::to_string(i) + "]";
        if (!value[i].is_string()) {
            return wrong_value(place, value[i], "a text such as \"api.example.org\"");
        }
        auto rule = read_host_rule(value[i].get<std::string>());
        if (!rule) {
            return wrong_value(place, value[i], rule.error().message);
        }
        rules.push_back(std::move(*rule));
    }
    return rules;
}

Status read_member(const std::string& path, const std::string& key, const json& value, NetworkRules& rules) {
    constexpr std::uint32_t kMostConnections = 1024;
    constexpr std::uint64_t kMostBytes = 1ULL << 50;
    if (key == "allow") {
        return store(read_rules(path, value), rules.allow);
    }
    if (key == "deny") {
        return store(read_rules(path, value), rules.deny);
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
    return rules;
}

ordered_json write_network(const NetworkRules& rules) {
    if (!rules.any()) {
        return "none";
    }
    return {{"allow", texts_of(rules.allow)},
            {"deny", texts_of(rules.deny)},
            {"connections", rules.connections},
            {"bytes_out", exact_size(rules.bytes_out)},
            {"bytes_in", exact_size(rules.bytes_in)}};
}

}  // namespace cellblock::sandbox
