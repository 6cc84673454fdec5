// Owners and modes of files.
#include "sandbox/pool/trust.h"

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <set>
#include <sstream>
#include <string>

#include "sandbox/base/files.h"

namespace cellblock::sandbox::pool {

namespace {

std::vector<std::string> parts_of(const std::string& text, char between) {
    std::vector<std::string> parts;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, between);) {
        parts.push_back(part);
    }
    return parts;
}

std::optional<unsigned> number_in(const std::string& text) {
    unsigned number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

// Of /etc/passwd: name, password, number, group, …
struct Users {
    std::set<std::string> friends;        // us and root, by name
    std::set<unsigned> groups_of_others;  // each user's own group
};

Users users() {
    Users found;
    for (const auto& line : parts_of(file_text("/etc/passwd"), '\n')) {
        const auto fields = parts_of(line, ':');
        const auto number = fields.size() > 3 ? number_in(fields[2]) : std::nullopt;
        const auto group = fields.size() > 3 ? number_in(fields[3]) : std::nullopt;
        if (number && (*number == 0 || *number == ::geteuid())) {
            found.friends.insert(fields[0]);
        } else if (group) {
            found.groups_of_others.insert(*group);
        }
    }
    return found;
}

// An access list's rights seem to be the group's.
bool has_access_list(const std::string& path) {
    return ::getxattr(path.c_str(), "system.posix_acl_access", nullptr, 0) > 0;
}

bool written_by_friends(const std::string& path, const struct stat& info, const std::vector<gid_t>& groups) {
    return (info.st_mode & S_IWOTH) == 0 &&
           ((info.st_mode & S_IWGRP) == 0 ||
            (std::find(groups.begin(), groups.end(), info.st_gid) != groups.end() && !has_access_list(path)));
}

// Its owner decides what runs there: that must be us or root. In a folder above, the sticky bit keeps others
// from putting another in its place.
Status owned_by_friends(std::filesystem::path path, const std::vector<gid_t>& groups) {
    for (bool above = false;; path = path.parent_path(), above = true) {
        struct stat info {};
        if (::stat(path.c_str(), &info) != 0) {
            return errno_error("look at " + path.string());
        }
        const bool sticky = above && (info.st_mode & S_ISVTX) != 0 && path != path.root_path();
        const bool owned = info.st_uid == 0 || info.st_uid == ::geteuid();
        if (!owned || !(sticky || written_by_friends(path.string(), info, groups))) {
            return Error{
                "keep a Python warm", 0,
                "others may change " + path.string() + ", and a warm Python runs outside of a sandbox",
                owned ? "`chmod go-w " + path.string() + "`, if nobody else needs to" : ""};
        }
        if (path == path.root_path()) {
            return Ok{};
        }
    }
}

}  // namespace

std::vector<gid_t> groups_of_nobody_else() {
    const Users known = users();
    std::vector<gid_t> groups;
    for (const auto& line : parts_of(file_text("/etc/group"), '\n')) {  // name, password, number, members
        const auto fields = parts_of(line, ':');
        const auto number = fields.size() > 2 ? number_in(fields[2]) : std::nullopt;
        if (!number || known.groups_of_others.count(*number) != 0) {
            continue;
        }
        const auto members = fields.size() > 3 ? parts_of(fields[3], ',') : std::vector<std::string>{};
        if (std::all_of(members.begin(), members.end(),
                        [&](const std::string& name) { return known.friends.count(name) != 0; })) {
            groups.push_back(*number);
        }
    }
    return groups;
}

Status is_trusted(const ZygoteSpec& spec) {
    const auto groups = groups_of_nobody_else();
    std::vector<std::string> paths = spec.prefixes;
    paths.push_back(spec.program);
    paths.push_back(spec.worker + "/zygote/main.py");
    paths.push_back(spec.library);
    for (const auto& path : paths) {
        std::error_code failed;
        for (const auto& one : {std::filesystem::path(path), std::filesystem::canonical(path, failed)}) {
            if (failed || !one.is_absolute()) {
                return Error{"keep a Python warm", 0, "there is no " + path, {}};
            }
            if (auto status = owned_by_friends(one, groups); !status) {
                return status;
            }
        }
    }
    return Ok{};
}

}  // namespace cellblock::sandbox::pool
