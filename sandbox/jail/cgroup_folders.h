// Folders of control groups: their names, which tell whose they are, and their removal.
//
// Threads: pure. Failure: a folder that can't be seen or removed is left.
#pragma once

#include <filesystem>
#include <string>

namespace cellblock::sandbox::jail {

// Version 2: tell whether a folder hands on a controller to its children, and whether it would if it were
// asked to. Both only look.
bool hands_on_already(const std::string& folder, const std::string& controller);
bool would_hand_on(const std::string& folder, const std::string& controller);
// Version 2: tells whether the folder above hands on the controller to this one.
bool has_controller(const std::string& folder, const std::string& controller);

// "cellblock-<pid>-<start time>-<number>-<pid namespace>": unique, and tells whose it is.
std::string new_cgroup_name();

// Removes a group with those that engines and programs made below it. A group that is still busy is tried
// again, some milliseconds later, so many times in all.
inline constexpr int kPatientAttempts = 200;
void remove_cgroup(const std::filesystem::path& group, int attempts = kPatientAttempts);

// Removes the groups in `folder` whose owners, of this process's pid namespace, are gone.
void sweep_cgroups(const std::string& folder);
// Removes the groups in `folder` that are this process's own and have no process in them.
void remove_own_cgroups(const std::string& folder);

}  // namespace cellblock::sandbox::jail
