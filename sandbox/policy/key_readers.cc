// Keys with rules of their own: engines, paths, modules, layers, environment. Every list is bounded,
// and an error names the entry ("files[2].mode").
#include "sandbox/policy/key_readers.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <set>

#include "sandbox/base/text.h"
#include "sandbox/policy/key_values.h"
#include "sandbox/policy/requirement.h"

namespace cellblock::sandbox {

namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* kAutomatic = "auto";
constexpr std::size_t kMostValue = 32U << 10;
constexpr std::size_t kMostPath = 4095;

// Variables that steer the dynamic loader or the interpreter's start reach the
// jail's own processes too, before any cell.
bool is_refused_name(const std::string& name) {
    return name.starts_with("LD_") || name == "GLIBC_TUNABLES" || name == "PYTHONHOME";
}

bool has_only(std::string_view text, std::string_view signs) {
    return !text.empty() && text.size() <= 200 && std::all_of(text.begin(), text.end(), [&](unsigned char c) {
        return std::isalnum(c) != 0 || signs.find(static_cast<char>(c)) != std::string_view::npos;
    });
}

// A type, or a family of types: "application/vnd.example.*".
bool is_mime_type(std::string_view text) {
    if (text.ends_with(".*")) {
        text.remove_suffix(2);
    }
    const auto slash = text.find('/');
    return has_only(text, "/.+-_") && slash != 0 && slash != std::string_view::npos &&
           slash + 1 < text.size() && text.find('/', slash + 1) == std::string_view::npos &&
           std::none_of(text.begin(), text.end(), [](unsigned char c) { return std::isupper(c) != 0; });
}

bool is_comm_target(std::string_view text) {
    return has_only(text, "._-:");
}

bool is_engine_letter(char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') || letter == '-' ||
           letter == '_';
}

bool is_home_or_absolute(const std::string& path) {
    return path.starts_with('/') || path.starts_with("~/");
}

std::string with_home(const std::string& path) {
    const char* home = std::getenv("HOME");
    return path.starts_with("~/") && home != nullptr ? home + path.substr(1) : path;
}

}  // namespace

Status read_engines(const json& value, Policy& policy) {
    constexpr std::size_t kMostEngines = 8;
    const json list = value.is_array() ? value : json::array({value});
    std::vector<std::string> names;
    for (const auto& one : list) {
        const auto* text = one.get_ptr<const std::string*>();
        if (text == nullptr || text->empty() || text->size() > 64 || list.size() > kMostEngines ||
            !std::all_of(text->begin(), text->end(), is_engine_letter)) {
            return wrong_value("engine", value,
                               "the name of an engine, for example \"native\", or a list of names");
        }
        names.push_back(*text);
    }
    if (names.empty()) {
        return wrong_value("engine", value, "at least one engine's name");
    }
    policy.engine = names.front();
    policy.further_engines.assign(names.begin() + 1, names.end());
    return Ok{};
}

nlohmann::ordered_json write_engines(const Policy& policy) {
    if (policy.further_engines.empty()) {
        return policy.engine;
    }
    nlohmann::ordered_json list = {policy.engine};
    for (const auto& name : policy.further_engines) {
        list.push_back(name);
    }
    return list;
}

// It becomes a word of a command line, where a dash would make it an option.
Result<std::string> read_destination(const std::string& path, const json& value) {
    auto text = read_text(path, value, 500);
    if (!text || text->starts_with('-')) {
        return wrong_value(path, value, "text of at most 500 bytes that doesn't begin with -");
    }
    return text;
}

Result<std::string> read_audit_path(const std::string& path, const json& value) {
    auto text = read_text(path, value, kMostPath);
    if (!text || !(text->empty() || is_home_or_absolute(*text))) {
        return wrong_value(path, value, "an absolute path, or one that begins with ~/");
    }
    return with_home(*text);
}

Result<std::string> read_history(const std::string& path, const json& value) {
    auto text = read_text(path, value, kMostPath);
    if (!text || !(*text == "none" || *text == "keep" || is_home_or_absolute(*text))) {
        return wrong_value(path, value, "\"none\", \"keep\", an absolute path, or one that begins with ~/");
    }
    return with_home(*text);
}

Result<std::string> read_python(const std::string& path, const json& value) {
    const char* allowed =
        "an absolute path, a program's name that is looked up on PATH, or \"\" for the default";
    auto text = read_text(path, value, kMostPath);
    const bool is_path = text && text->find('/') != std::string::npos;
    if (!text || (is_path && text->front() != '/')) {
        return wrong_value(path, value, allowed);
    }
    return text;
}

Result<HtmlRule> read_html_rule(const std::string& path, const json& value) {
    for (const HtmlRule rule : {HtmlRule::sanitize, HtmlRule::drop, HtmlRule::trust}) {
        if (value == name_of(rule)) {
            return rule;
        }
    }
    return wrong_value(path, value, "\"sanitize\", \"drop\" or \"trust\"");
}

Status read_preload(const json& value, Policy& policy) {
    policy.learns_preload = value == kAutomatic;
    policy.preload.clear();
    if (!policy.learns_preload) {
        CELLBLOCK_ASSIGN_OR_RETURN(
            policy.preload,
            read_names("preload", value, &is_dotted_python_name,
                       "\"auto\", or a list of at most 64 module names, for example [\"numpy\", "
                       "\"matplotlib.pyplot\"]",
                       "a module's dotted name, for example \"matplotlib.pyplot\""));
    }
    return Ok{};
}

ordered_json write_preload(const Policy& policy) {
    return policy.learns_preload ? ordered_json(kAutomatic) : ordered_json(policy.preload);
}

Result<Warm> read_warm(const std::string& path, const json& value) {
    if (value == kAutomatic) {
        return Warm::automatic;
    }
    if (!value.is_boolean()) {
        return wrong_value(path, value, "\"auto\", true or false");
    }
    return value.get<bool>() ? Warm::on : Warm::off;
}

ordered_json write_warm(Warm warm) {
    return warm == Warm::automatic ? ordered_json(kAutomatic) : ordered_json(warm == Warm::on);
}

Result<std::optional<std::vector<std::string>>> read_imports(const std::string& path, const json& value) {
    using Names = std::optional<std::vector<std::string>>;
    if (value == "any") {
        return Names();
    }
    auto names = read_names(path, value, &is_python_name,
                            "\"any\", or a list of at most 64 names, for example [\"math\", \"numpy\"]",
                            "a module's name without dots, for example \"matplotlib\"");
    return names ? Result<Names>(Names(std::move(*names))) : names.error();
}

Result<std::vector<std::string>> read_mime_types(const std::string& path, const json& value) {
    return read_names(
        path, value, &is_mime_type, "a list of at most 64 MIME types, for example [\"text/plain\"]",
        "a MIME type in lower case, for example \"text/html\", or the beginning of one with .* behind it");
}

Result<std::vector<std::string>> read_comm_targets(const std::string& path, const json& value) {
    return read_names(path, value, &is_comm_target,
                      "a list of at most 64 names of targets, for example [\"jupyter.widget\"]",
                      "a target's name of at most 200 letters, digits and . _ - :");
}

Result<std::vector<std::string>> read_packages(const std::string& path, const json& value) {
    return read_names(
        path, value, [](std::string_view text) { return text == "*" || parse_requirement(text).ok(); },
        "a list of at most 64 packages, for example [\"pandas>=2,<3\", \"seaborn\"]",
        "a package's name with version ranges, for example \"pandas>=2,<3\", or \"*\" for any");
}

Result<Requirement> read_require(const std::string& path, const json& value) {
    std::string allowed = "\"standard\", \"full\", \"no-namespaces\", or a list of layers:";
    for (const Layer layer : all_layers()) {
        allowed += std::string(" \"") + name_of(layer) + '"';
    }
    if (const auto* text = value.get_ptr<const std::string*>(); text != nullptr) {
        const auto level = level_named(*text);
        return level ? Result<Requirement>(*level) : wrong_value(path, value, allowed);
    }
    if (!value.is_array() || value.size() > all_layers().size()) {
        return wrong_value(path, value, allowed);
    }
    std::set<Layer> named;
    for (std::size_t i = 0; i < value.size(); ++i) {
        const auto* text = value[i].get_ptr<const std::string*>();
        const auto layer = text == nullptr ? std::nullopt : layer_named(*text);
        if (!layer || !named.insert(*layer).second) {
            return wrong_value(entry(path, i), value[i], allowed + ", each once");
        }
    }
    return Requirement{{}, {named.begin(), named.end()}};
}

Result<std::vector<EnvironmentRule>> read_environment(const std::string& path, const json& value) {
    if (!value.is_object() || value.size() > kMostEntries) {
        return wrong_value(path, value,
                           "an object of at most 64 names, for example {\"TZ\": \"UTC\", \"LANG\": true}");
    }
    std::vector<EnvironmentRule> out;
    for (const auto& [name, given] : value.items()) {
        const std::string where = path + "." + name.substr(0, kMostPythonName);
        if (!is_python_name(name) || is_refused_name(name)) {
            return Error{where,
                         0,
                         "this name is not allowed; allowed: letters, digits and _, and none of LD_*, "
                         "GLIBC_TUNABLES, PYTHONHOME",
                         {}};
        }
        const auto* text = given.get_ptr<const std::string*>();
        const bool fits =
            text != nullptr && text->size() <= kMostValue && text->find('\0') == std::string::npos;
        if (!fits && given != true) {
            return wrong_value(where, given, "text (its value), or true (the host's value passes)");
        }
        out.push_back(EnvironmentRule{name, fits ? std::optional(*text) : std::nullopt});
    }
    return out;
}

}  // namespace cellblock::sandbox
