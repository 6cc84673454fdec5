// The key `files`.
#include "sandbox/policy/file_keys.h"

#include <algorithm>
#include <set>
#include <utility>

#include "sandbox/base/text.h"
#include "sandbox/policy/keep_patterns.h"
#include "sandbox/policy/key_values.h"

namespace cellblock::sandbox {

namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::size_t kMostPath = 4095;
constexpr std::size_t kMostPattern = 100;
constexpr std::uint32_t kMostKept = 10'000;
constexpr std::uint64_t kMostKeptBytes = 64 * kGiB;

// Absolute and in normal form: what it names can be told from the text alone.
bool is_normal_path(const std::string& text) {
    if (text.size() < 2 || text.size() > kMostPath || text.front() != '/' ||
        text.find('\0') != std::string::npos) {
        return false;
    }
    std::string_view rest = text;
    while (!rest.empty()) {
        rest.remove_prefix(1);
        const auto part = rest.substr(0, rest.find('/'));
        if (part.empty() || part == "." || part == "..") {
            return false;
        }
        rest.remove_prefix(part.size());
    }
    return true;
}

bool is_or_is_under(const std::string& path, const std::string& folder) {
    return path == folder || path.starts_with(folder + "/");
}

Result<std::string> read_host_path(const std::string& path, const json& value) {
    const auto* text = value.get_ptr<const std::string*>();
    if (text == nullptr || text->empty() || text->size() > kMostPath || text->front() == '~' ||
        text->find('\0') != std::string::npos) {
        return wrong_value(path, value,
                           "an absolute path, or one relative to the session's directory (\".\" is that "
                           "directory; ~ is not expanded)");
    }
    return *text;
}

Result<std::string> read_sandbox_path(const std::string& path, const json& value) {
    const auto* text = value.get_ptr<const std::string*>();
    if (text == nullptr || !is_normal_path(*text)) {
        return wrong_value(path, value, "an absolute path other than /, without . or .. or double slashes");
    }
    for (const char* folder : {"/proc", "/sys", "/dev"}) {
        if (is_or_is_under(*text, folder)) {
            return wrong_value(path, value, "a path outside of /proc, /sys and /dev");
        }
    }
    return *text;
}

Result<FileMode> read_mode(const std::string& path, const json& value) {
    for (const FileMode mode : {FileMode::read, FileMode::overlay, FileMode::empty}) {
        if (value == name_of(mode)) {
            return mode;
        }
    }
    return wrong_value(path, value, "\"read\", \"overlay\" or \"empty\"");
}

bool is_file_pattern(std::string_view text) {
    return !text.empty() && text.size() <= kMostPattern && is_utf8(text) &&
           std::none_of(text.begin(), text.end(),
                        [](unsigned char c) { return c < ' ' || c == '/' || c == 0x7F; });
}

Status read_keep_field(const std::string& path, const std::string& key, const json& value, KeepRules& keep) {
    if (key == "to") {
        return store(read_host_path(path, value), keep.to);
    }
    if (key == "patterns") {
        return store(read_names(path, value, &is_file_pattern,
                                "a list of at most 64 patterns, for example [\"*.csv\", \"report-?.pdf\"]",
                                "a file's name without folders, in which * and ? stand for any letters"),
                     keep.patterns);
    }
    if (key == "count") {
        return store(read_count(path, value, 1, kMostKept), keep.count);
    }
    if (key == "size" || key == "total") {
        return store(read_size(path, value, kKiB, kMostKeptBytes),
                     key == "size" ? keep.size_bytes : keep.total_bytes);
    }
    return Error{path, 0, "there is no such key; allowed: to, patterns, count, size, total", {}};
}

Result<KeepRules> read_keep(const std::string& path, const json& value) {
    if (!value.is_object()) {
        return wrong_value(
            path, value,
            "an object {\"to\", \"patterns\", \"count\", \"size\", \"total\"}; {} is the usual one");
    }
    KeepRules keep = default_keep_rules();
    for (const auto& [key, part] : value.items()) {
        CELLBLOCK_RETURN_IF_ERROR(read_keep_field(path + "." + key, key, part, keep));
    }
    return keep;
}

Status read_rule_field(const std::string& path, const std::string& key, const json& value, FileRule& rule) {
    if (key == "host") {
        return store(read_host_path(path + ".host", value), rule.host);
    }
    if (key == "sandbox") {
        return store(read_sandbox_path(path + ".sandbox", value), rule.sandbox);
    }
    if (key == "mode") {
        return store(read_mode(path + ".mode", value), rule.mode);
    }
    if (key == "keep") {
        CELLBLOCK_ASSIGN_OR_RETURN(rule.keep, read_keep(path + ".keep", value));
        return Ok{};
    }
    return Error{path + "." + key, 0, "there is no such key; allowed: host, sandbox, mode, keep", {}};
}

// By default what is kept of an overlay comes to the folder that it shows.
Result<FileRule> with_keep_folder(const std::string& path, FileRule rule) {
    if (rule.mode == FileMode::read) {
        return Error{path + ".mode", 0, "nothing can be written there that could be kept",
                     "Set it to \"overlay\", or take \"keep\" out"};
    }
    if (rule.keep->to.empty()) {
        rule.keep->to = rule.host;
    }
    if (rule.keep->to.empty()) {
        return Error{path + ".keep.to", 0, "is missing", "Name the folder that files are to be kept in"};
    }
    return rule;
}

Result<FileRule> read_rule(const std::string& path, const json& value) {
    if (!value.is_object()) {
        return wrong_value(path, value, "an object {\"host\": …, \"sandbox\": …, \"mode\": …}");
    }
    FileRule rule;
    for (const auto& [key, part] : value.items()) {
        CELLBLOCK_RETURN_IF_ERROR(read_rule_field(path, key, part, rule));
    }
    const bool is_empty = rule.mode == FileMode::empty;
    if (!value.contains("sandbox") || value.contains("host") == is_empty) {
        const char* key = value.contains("sandbox") ? "host" : "sandbox";
        return Error{path + "." + key, 0,
                     value.contains(key) ? "an empty folder shows nothing of the host" : "is missing",
                     value.contains(key) ? "Take it out, or set the mode to \"overlay\"" : ""};
    }
    const bool is_work = rule.sandbox == kWorkingDirectory;
    if ((is_empty || rule.keep) && !is_work) {
        return Error{path + ".sandbox", 0,
                     rule.sandbox + (is_empty ? " can't be an empty folder" : ": no files are kept of it"),
                     "Only the working directory, \"/work\""};
    }
    return is_work && rule.keep ? with_keep_folder(path, std::move(rule)) : Result<FileRule>(std::move(rule));
}

}  // namespace

Result<std::vector<FileRule>> read_files(const std::string& path, const json& value) {
    if (!value.is_array() || value.size() > kMostEntries) {
        return wrong_value(path, value,
                           "a list of at most 64 objects {\"host\", \"sandbox\", \"mode\", \"keep\"}");
    }
    std::vector<FileRule> out;
    std::set<std::string> places;
    for (std::size_t index = 0; index < value.size(); ++index) {
        CELLBLOCK_ASSIGN_OR_RETURN(auto rule, read_rule(entry(path, index), value[index]));
        if (!places.insert(rule.sandbox).second) {
            return Error{entry(path, index) + ".sandbox", 0, rule.sandbox + " is given twice", {}};
        }
        out.push_back(std::move(rule));
    }
    return out;
}

ordered_json write_files(const std::vector<FileRule>& rules) {
    ordered_json out = ordered_json::array();
    for (const auto& rule : rules) {
        ordered_json one = ordered_json::object();
        if (rule.mode != FileMode::empty) {
            one["host"] = rule.host;
        }
        one["sandbox"] = rule.sandbox;
        one["mode"] = name_of(rule.mode);
        if (rule.keep) {
            one["keep"] = {{"to", rule.keep->to},
                           {"patterns", rule.keep->patterns},
                           {"count", rule.keep->count},
                           {"size", exact_size(rule.keep->size_bytes)},
                           {"total", exact_size(rule.keep->total_bytes)}};
        }
        out.push_back(std::move(one));
    }
    return out;
}

KeepRules default_keep_rules() {
    return {{}, usual_patterns(), 100, 64 * kMiB, 256 * kMiB};
}

const KeepRules* keep_rules(const Policy& policy) {
    const auto found = std::find_if(policy.files.begin(), policy.files.end(),
                                    [](const FileRule& rule) { return rule.keep.has_value(); });
    return found != policy.files.end() ? &*found->keep : nullptr;
}

}  // namespace cellblock::sandbox
