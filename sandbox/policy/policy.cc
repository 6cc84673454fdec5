// Reads a document by the table of keys, and writes policy, reference and notices.
#include "sandbox/api/policy.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <sstream>
#include <utility>

#include "sandbox/policy/document.h"
#include "sandbox/policy/key_table.h"
#include "sandbox/policy/key_values.h"

namespace cellblock::sandbox {

namespace {

using nlohmann::json;

const PolicyKey* find_key(const std::string& path) {
    const auto& table = policy_table();
    const auto found =
        std::find_if(table.begin(), table.end(), [&](const PolicyKey& key) { return key.path == path; });
    return found == table.end() ? nullptr : &*found;
}

// Is "limits" the first part of some key's path?
bool is_group(const std::string& path) {
    const auto& table = policy_table();
    return std::any_of(table.begin(), table.end(),
                       [&](const PolicyKey& key) { return key.path.starts_with(path + "."); });
}

Error unknown_key(const std::string& path) {
    std::vector<std::string> known;
    for (const auto& key : policy_table()) {
        known.push_back(key.path);
    }
    const std::string near = nearest(path, known);
    constexpr std::size_t kMostShown = 80;
    return Error{path.substr(0, kMostShown), 0,
                 near.empty() ? "there is no such key" : "there is no such key; did you mean " + near + "?",
                 near.empty() ? "`cellblock policy show default` lists every key" : ""};
}

// Keys that an earlier version called otherwise. The old names work until the next version.
struct RenamedKey {
    const char* group;  // "": a key of the document itself
    const char* old_name;
    const char* name;
};
constexpr auto kRenamedKeys = std::to_array<RenamedKey>(
    {{"", "best_effort", "allow_unenforced"}, {"pool", "ready", "min"}, {"pool", "most", "max"}});
constexpr const char* kOldLevel = "contained";
constexpr const char* kNewLevel = "no-namespaces";

std::string renamed(const std::string& what, const std::string& name) {
    return what + " is called " + name + " now; the next version won't know the old word";
}

// Replaces the words of an earlier version in the document, and adds a notice for each to `notices`.
Status replace_old_words(json& document, std::vector<std::string>& notices) {
    for (const auto& key : kRenamedKeys) {
        const std::string group = key.group;
        json* object = group.empty() ? &document : document.contains(group) ? &document[group] : nullptr;
        if (object == nullptr || !object->is_object() || !object->contains(key.old_name)) {
            continue;
        }
        const std::string prefix = group.empty() ? "" : group + ".";
        if (object->contains(key.name)) {
            return Error{prefix + key.old_name, 0,
                         "this is the old name of " + prefix + key.name + ", which is given too",
                         "Take the old one out"};
        }
        json value = std::move((*object)[key.old_name]);
        object->erase(key.old_name);
        (*object)[key.name] = std::move(value);
        notices.push_back(renamed("the key " + prefix + key.old_name, prefix + key.name));
    }
    if (const auto level = document.find("require"); level != document.end() && *level == kOldLevel) {
        *level = kNewLevel;
        notices.push_back(renamed(std::string("require: the level ") + kOldLevel, kNewLevel));
    }
    return Ok{};
}

Status read_object(const std::string& prefix, const json& object, Policy& policy) {
    for (const auto& [name, value] : object.items()) {
        const std::string path = prefix.empty() ? name : prefix + "." + name;
        if (const PolicyKey* key = find_key(path)) {
            if (auto done = key->read(value, policy); !done) {
                return done;
            }
        } else if (!prefix.empty() || !is_group(path)) {
            return unknown_key(path);
        } else if (!value.is_object()) {
            return wrong_value(path, value, "an object { … }");
        } else if (auto done = read_object(path, value, policy); !done) {
            return done;
        }
    }
    return Ok{};
}

Status settle_cell_time_max(const json& document, Policy& policy) {
    auto& limits = policy.limits;
    const bool given = document.contains("limits") && document["limits"].contains("cell_time_max");
    if (!given) {
        limits.cell_time_max = std::max(limits.cell_time_max, limits.cell_time);
    }
    if (limits.cell_time_max < limits.cell_time) {
        return Error{"limits.cell_time_max",
                     0,
                     "found " + exact_duration(limits.cell_time_max) +
                         "; allowed: not below limits.cell_time, which is " +
                         exact_duration(limits.cell_time),
                     {}};
    }
    return Ok{};
}

// What stays outside can't be passed in.
Status check_secrets(const Policy& policy) {
    for (const auto& rule : policy.environment) {
        for (const auto& host : policy.network.allow) {
            const bool is_given = !rule.value && std::any_of(host.headers.begin(), host.headers.end(),
                                                             [&](const SecretHeader& header) {
                                                                 return header.secret == rule.name;
                                                             });
            if (is_given) {
                return Error{"environment." + rule.name, 0,
                             "network.allow keeps this secret outside, and this would give it to cells",
                             "Take it out. A library that insists on a key gets any text: {\"" + rule.name +
                                 "\": \"outside\"}"};
            }
        }
    }
    return Ok{};
}

Result<Policy> read_document(json document, const std::string& name) {
    Policy policy = builtin_policy();
    policy.name = name;
    CELLBLOCK_RETURN_IF_ERROR(replace_old_words(document, policy.notices));
    CELLBLOCK_RETURN_IF_ERROR(read_object("", document, policy));
    CELLBLOCK_RETURN_IF_ERROR(settle_cell_time_max(document, policy));
    CELLBLOCK_RETURN_IF_ERROR(check_secrets(policy));
    for (auto& notice : policy.notices) {
        notice.insert(0, "policy " + name + ": ");
    }
    return policy;
}

std::string escape_cell(std::string text) {
    for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) {
        text.insert(at, "\\");
    }
    return text;
}

}  // namespace

Policy builtin_policy() {
    Policy policy;
    policy.name = "builtin";
    for (const auto& key : policy_table()) {
        if (!key.read(json::parse(key.fallback), policy)) {
            std::abort();  // a row whose default is not allowed by the row itself
        }
    }
    return policy;
}

Result<Policy> parse_policy(std::string_view json_text, const std::string& name) {
    const auto in_policy = [&](Error error) {
        error.step = "policy " + name + (error.step.empty() ? "" : ": " + error.step);
        return error;
    };
    auto document = parse_policy_document(json_text);
    if (!document) {
        return in_policy(document.error());
    }
    auto policy = read_document(std::move(*document), name);
    if (!policy) {
        return in_policy(policy.error());
    }
    return policy;
}

std::string shares_in_words(const Policy& policy) {
    const auto& limits = policy.limits;
    std::string text;
    if (limits.memory_share > 0) {
        text = "limits.memory is " + format_size(limits.memory_bytes);
    }
    if (limits.cpus_share > 0) {
        std::ostringstream number;
        number << limits.cpus;
        text += (text.empty() ? "" : ", ") + ("limits.cpus is " + number.str());
    }
    return text;
}

std::string policy_to_json(const Policy& policy) {
    nlohmann::ordered_json out = nlohmann::ordered_json::object();
    for (const auto& key : policy_table()) {
        const auto dot = key.path.find('.');
        auto& place =
            dot == std::string::npos ? out[key.path] : out[key.path.substr(0, dot)][key.path.substr(dot + 1)];
        place = key.write(policy);
    }
    return out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string policy_reference_markdown() {
    std::string out = "| Key | Type | Default | Allowed | Meaning |\n|---|---|---|---|---|\n";
    for (const auto& key : policy_table()) {
        out += "| `" + key.path + "` | " + key.type + " | `" + key.fallback + "` | " +
               escape_cell(key.allowed) + " | " + escape_cell(key.meaning) + " |\n";
    }
    return out;
}

}  // namespace cellblock::sandbox
