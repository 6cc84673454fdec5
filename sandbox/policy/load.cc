// Finds a policy by name or path, reads its file, and adds the time zone of whoever starts a session.
#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "sandbox/api/policy.h"
#include "sandbox/base/resources.h"
#include "sandbox/policy/document.h"

namespace cellblock::sandbox {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostZoneBytes = 64;

// A zone's name or a POSIX rule, as TZ has it.
bool is_zone(std::string_view text) {
    const bool clean = std::all_of(text.begin(), text.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 ||
               std::string_view("_+-,./:<>").find(static_cast<char>(c)) != std::string_view::npos;
    });
    return clean && !text.empty() && text.size() <= kMostZoneBytes && text.front() != '/' &&
           !text.starts_with(":/") && text.find("..") == std::string_view::npos;
}

bool is_path(const std::string& text) {
    return text.find('/') != std::string::npos || text.ends_with(".json");
}

bool is_policy_name(const std::string& text) {
    const auto fits = [](char letter) {
        return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
               (letter >= '0' && letter <= '9') || letter == '-' || letter == '_' || letter == '.';
    };
    return !text.empty() && text.size() <= 64 && text.front() != '.' && text.front() != '-' &&
           std::all_of(text.begin(), text.end(), fits);
}

// The user's own folder first, then the installed one.
std::vector<fs::path> policy_folders() {
    std::vector<fs::path> out;
    if (const std::string own = config_directory(); !own.empty()) {
        out.push_back(fs::path(own) / "policies");
    }
    if (auto installed = policies_directory()) {
        out.emplace_back(*installed);
    }
    return out;
}

Result<Policy> load_file(const std::string& path, const std::string& name) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto text, read_document(path, "read policy " + path));
    return parse_policy(text, name);
}

Error not_found(const std::string& name, const std::vector<fs::path>& folders) {
    std::set<std::string> names;
    std::string places;
    for (const auto& folder : folders) {
        places += (places.empty() ? "" : " and ") + folder.string();
        std::error_code ignored;
        for (fs::directory_iterator at(folder, ignored), end; !ignored && at != end; at.increment(ignored)) {
            if (at->path().extension() == ".json" && names.size() < 50) {
                names.insert(at->path().stem().string());
            }
        }
    }
    std::string known;
    for (const auto& one : names) {
        known += (known.empty() ? "" : ", ") + one;
    }
    const auto shipped = policies_directory();
    return Error{"policy " + name, 0,
                 "there is no policy of that name in " + (places.empty() ? "any folder" : places),
                 (known.empty() ? "" : "Known: " + known + ". ") + "A file is given by its path" +
                     (shipped ? "" : ". The shipped policies are missing: " + shipped.error().text())};
}

}  // namespace

Result<Policy> load_policy(const std::string& name_or_path) {
    if (is_path(name_or_path)) {
        return load_file(name_or_path, name_or_path);
    }
    if (!is_policy_name(name_or_path)) {
        return Error{"policy \"" + name_or_path.substr(0, 80) + "\"", 0, "this is not a policy's name",
                     "Give a name of letters, digits, -, _ and ., or the path of a .json file"};
    }
    const auto folders = policy_folders();
    for (const auto& folder : folders) {
        const fs::path file = folder / (name_or_path + ".json");
        std::error_code failed;
        // Whatever is there but can't be read is an error, not a reason to take another one.
        if (fs::symlink_status(file, failed).type() != fs::file_type::not_found) {
            return load_file(file.string(), name_or_path);
        }
    }
    return not_found(name_or_path, folders);
}

void pass_time_zone(Policy& policy) {
    const char* zone = std::getenv("TZ");
    const bool is_said = std::any_of(policy.environment.begin(), policy.environment.end(),
                                     [](const EnvironmentRule& rule) { return rule.name == "TZ"; });
    if (zone != nullptr && !is_said && is_zone(zone)) {
        policy.environment.push_back({"TZ", zone});
    }
}

}  // namespace cellblock::sandbox
