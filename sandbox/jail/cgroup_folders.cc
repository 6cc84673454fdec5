// Names that tell a group's owner; removal from below.
#include "sandbox/jail/cgroup_folders.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <sstream>

#include "sandbox/base/files.h"
#include "sandbox/base/process.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/base/text.h"

namespace cellblock::sandbox::jail {

namespace {

constexpr const char* kNameStart = "cellblock-";

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

bool hands_on_already(const std::string& folder, const std::string& controller) {
    return lists(folder + "/cgroup.subtree_control", controller);
}

bool has_controller(const std::string& folder, const std::string& controller) {
    return lists(folder + "/cgroup.controllers", controller);
}

// Linux refuses where processes are, but in the root, which has no type.
bool would_hand_on(const std::string& folder, const std::string& controller) {
    const std::string asked = folder + "/cgroup.subtree_control";
    return hands_on_already(folder, controller) ||
           (has_controller(folder, controller) && ::access(asked.c_str(), W_OK) == 0 &&
            (file_text(folder + "/cgroup.procs").empty() ||
             ::access((folder + "/cgroup.type").c_str(), F_OK) != 0));
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
        const auto parts = split_at(name, '-');
        if (parts.size() == kParts && name.starts_with(kNameStart) && parts[4] == ours && !parts[1].empty() &&
            parts[1].find_first_not_of("0123456789") == std::string::npos &&
            process_start_time(parts[1]) != parts[2]) {
            remove_cgroup(entry->path(), 1);
        }
    }
}

void remove_own_cgroups(const std::string& folder) {
    const std::string pid = std::to_string(::getpid());
    const std::string start = kNameStart + pid + "-" + process_start_time(pid) + "-";
    std::error_code failed;
    for (std::filesystem::directory_iterator entry(folder, failed), end; !failed && entry != end;
         entry.increment(failed)) {
        if (entry->path().filename().string().starts_with(start)) {
            remove_cgroup(entry->path(), 1);
        }
    }
}

}  // namespace cellblock::sandbox::jail
