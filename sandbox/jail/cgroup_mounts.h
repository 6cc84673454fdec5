// This process's place in the host's control groups, and folders that processes of its kind have left there.
//
// Threads: pure. Failure: a hierarchy that can't be seen is left out.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace cellblock::sandbox::jail {

struct CgroupPlace {
    bool version2 = false;
    std::vector<std::string> controllers;  // of version 1: "cpu", "cpuacct"
    std::string mount;                     // where the hierarchy is mounted
    std::string folder;                    // this process's own group in it

    [[nodiscard]] bool has(const std::string& controller) const;
};

std::vector<CgroupPlace> cgroup_places();

// Version 2: whether a folder hands on a controller to its children, and whether it would if it were asked
// to. Both only look.
bool hands_on_already(const std::string& folder, const std::string& controller);
bool would_hand_on(const std::string& folder, const std::string& controller);

// "cellblock-<pid>-<start time>-<number>-<pid namespace>": unique, and tells whose it is.
std::string new_cgroup_name();

// Removes a group with those that engines and programs made below it. A group that is still busy is tried
// again, some milliseconds later, so many times in all.
inline constexpr int kPatientAttempts = 200;
void remove_cgroup(const std::filesystem::path& group, int attempts = kPatientAttempts);

// Removes the groups in `folder` whose owners, of this process's pid namespace, are gone.
void sweep_cgroups(const std::string& folder);

}  // namespace cellblock::sandbox::jail
