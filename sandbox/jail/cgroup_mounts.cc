// Reading /proc/self/mountinfo and /proc/self/cgroup.
#include "sandbox/jail/cgroup_mounts.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <sstream>

#include "sandbox/base/files.h"
#include "sandbox/base/process.h"
#include "sandbox/base/syscalls.h"

namespace cellblock::sandbox::jail {

namespace {

constexpr const char* kNameStart = "cellblock-";

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, separator);) {
        parts.push_back(part);
    }
    return parts;
}

struct Membership {
    std::vector<std::string> controllers;  // none: version 2
    std::string path;
};

std::vector<Membership> memberships() {
    std::vector<Membership> list;
    std::ifstream file("/proc/self/cgroup");
    for (std::string line; std::getline(file, line);) {
        const auto first = line.find(':');
        const auto second = line.find(':', first == std::string::npos ? first : first + 1);
        if (second != std::string::npos) {
            list.push_back({split(line.substr(first + 1, second - first - 1), ','), line.substr(second + 1)});
        }
    }
    return list;
}

// `path` as seen below a mount that shows the hierarchy from `root` on.
bool below_mount(const std::string& path, const std::string& root, std::string& rest) {
    if (root == "/") {
        rest = path == "/" ? "" : path;
        return path.starts_with('/') && !path.starts_with("/..");
    }
    if (!path.starts_with(root) || (path.size() > root.size() && path[root.size()] != '/')) {
        return false;
    }
    rest = path.substr(root.size());
    return true;
}

void add_place(std::vector<CgroupPlace>& places, const std::vector<Membership>& groups,
               const std::string& line) {
    const auto dash = line.find(" - ");
    const auto fields = split(line, ' ');
    const auto tail =
        dash == std::string::npos ? std::vector<std::string>{} : split(line.substr(dash + 3), ' ');
    if (fields.size() < 6 || tail.size() < 3 || !tail[0].starts_with("cgroup")) {
        return;
    }
    CgroupPlace place;
    place.version2 = tail[0] == "cgroup2";
    place.mount = fields[4];
    const auto options = split(tail[2], ',');
    for (const auto& group : groups) {
        const bool same =
            place.version2 ? group.controllers.empty()
                           : !group.controllers.empty() && std::find(options.begin(), options.end(),
                                                                     group.controllers[0]) != options.end();
        std::string rest;
        if (same && below_mount(group.path, fields[3], rest)) {
            place.controllers = group.controllers;
            place.folder = place.mount + rest;
            places.push_back(place);
            return;
        }
    }
}

bool lists(const std::string& file, const std::string& wanted) {
    std::istringstream words(file_text(file));
    for (std::string word; words >> word;) {
        if (word == wanted) {
            return true;
        }
    }
    return false;
}

}  // namespace

void remove_cgroup(const std::filesystem::path& group, int attempts) {
    std::error_code failed;
    for (std::filesystem::directory_iterator one(group, failed), end; !failed && one != end;
         one.increment(failed)) {
        if (std::filesystem::is_directory(one->symlink_status(failed))) {
            remove_cgroup(one->path(), attempts);
        }
    }
    (void)remove_empty_cgroup(group.c_str(), attempts);
}

bool CgroupPlace::has(const std::string& controller) const {
    return std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
}

bool hands_on_already(const std::string& folder, const std::string& controller) {
    return lists(folder + "/cgroup.subtree_control", controller);
}

// Linux refuses where processes are, but in the root, which has no type.
bool would_hand_on(const std::string& folder, const std::string& controller) {
    const std::string asked = folder + "/cgroup.subtree_control";
    return hands_on_already(folder, controller) ||
           (lists(folder + "/cgroup.controllers", controller) && ::access(asked.c_str(), W_OK) == 0 &&
            (file_text(folder + "/cgroup.procs").empty() ||
             ::access((folder + "/cgroup.type").c_str(), F_OK) != 0));
}

std::vector<CgroupPlace> cgroup_places() {
    std::vector<CgroupPlace> places;
    const auto groups = memberships();
    std::ifstream mounts("/proc/self/mountinfo");
    for (std::string line; std::getline(mounts, line);) {
        add_place(places, groups, line);
    }
    return places;
}

std::string new_cgroup_name() {
    static std::atomic<unsigned> number{0};
    const std::string pid = std::to_string(::getpid());
    return kNameStart + pid + "-" + process_start_time(pid) + "-" + std::to_string(++number) + "-" +
           pid_namespace();
}

// A process's number means something in one namespace only.
void sweep_cgroups(const std::string& folder) {
    constexpr std::size_t kParts = 5;
    const std::string ours = pid_namespace();
    if (process_start_time(std::to_string(::getpid())).empty()) {
        return;  // /proc is another namespace's, or none
    }
    std::error_code failed;
    for (std::filesystem::directory_iterator entry(folder, failed), end; !failed && entry != end;
         entry.increment(failed)) {
        const std::string name = entry->path().filename().string();
        const auto parts = split(name, '-');
        if (parts.size() == kParts && name.starts_with(kNameStart) && parts[4] == ours && !parts[1].empty() &&
            parts[1].find_first_not_of("0123456789") == std::string::npos &&
            process_start_time(parts[1]) != parts[2]) {
            remove_cgroup(entry->path(), 1);
        }
    }
}

}  // namespace cellblock::sandbox::jail
