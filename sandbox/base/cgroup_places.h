// This process's place in the host's control groups.
//
//     for (const auto& place : cgroup_places()) {
//         if (place.version2 || place.has("memory")) { read(place.folder + "/memory.stat"); }
//     }
//
// Threads: pure. Failure: a hierarchy that can't be seen is left out.
#pragma once

#include <string>
#include <vector>

namespace cellblock::sandbox {

struct CgroupPlace {
    bool version2 = false;
    std::vector<std::string> controllers;  // of version 1: "cpu", "cpuacct"
    std::string mount;                     // where the hierarchy is mounted
    std::string folder;                    // this process's own group in it

    [[nodiscard]] bool has(const std::string& controller) const;
};

std::vector<CgroupPlace> cgroup_places();

}  // namespace cellblock::sandbox
