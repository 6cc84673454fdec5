// Reading /proc/self/mountinfo and /proc/self/cgroup.
#include "sandbox/base/cgroup_places.h"

#include <algorithm>
#include <fstream>

#include "sandbox/base/text.h"

namespace cellblock::sandbox {

namespace {

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
            list.push_back(
                {split_at(line.substr(first + 1, second - first - 1), ','), line.substr(second + 1)});
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
    const auto fields = split_at(line, ' ');
    const auto tail =
        dash == std::string::npos ? std::vector<std::string>{} : split_at(line.substr(dash + 3), ' ');
    if (fields.size() < 6 || tail.size() < 3 || !tail[0].starts_with("cgroup")) {
        return;
    }
    CgroupPlace place;
    place.version2 = tail[0] == "cgroup2";
    place.mount = fields[4];
    const auto options = split_at(tail[2], ',');
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

}  // namespace

bool CgroupPlace::has(const std::string& controller) const {
    return std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
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

}  // namespace cellblock::sandbox
