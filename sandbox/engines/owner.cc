// cellblock-BOOT-NAMESPACE-PID-START-RANDOM
#include "sandbox/engines/owner.h"

#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <sstream>
#include <tuple>
#include <vector>

#include "sandbox/base/files.h"
#include "sandbox/base/process.h"

namespace cellblock::sandbox {

namespace {

constexpr const char* kStart = "cellblock";
constexpr std::size_t kParts = 6;

std::string boot() {
    return file_text("/proc/sys/kernel/random/boot_id").substr(0, 8);
}

std::string random_part() {
    std::uint32_t value = 0;
    std::ignore = ::getrandom(&value, sizeof value, 0);
    std::array<char, 12> text{};
    std::snprintf(text.data(), text.size(), "%06x", value & 0xffffff);
    return text.data();
}

// Empty where the name isn't one of ours.
std::vector<std::string> parts_of(std::string_view name) {
    std::vector<std::string> parts;
    std::istringstream stream{std::string(name)};
    for (std::string part; std::getline(stream, part, '-');) {
        parts.push_back(part);
    }
    const bool ours = parts.size() == kParts && parts[0] == kStart && !parts[3].empty() &&
                      parts[3].find_first_not_of("0123456789") == std::string::npos;
    return ours ? parts : std::vector<std::string>{};
}

}  // namespace

std::string new_sandbox_name() {
    const std::string pid = std::to_string(::getpid());
    return std::string(kStart) + "-" + boot() + "-" + pid_namespace() + "-" + pid + "-" +
           process_start_time(pid) + "-" + random_part();
}

bool is_sandbox_name(std::string_view name) {
    return !parts_of(name).empty();
}

bool is_orphan(std::string_view name) {
    const auto parts = parts_of(name);
    if (parts.empty() || parts[1] != boot() || parts[2] != pid_namespace() ||
        process_start_time(std::to_string(::getpid())).empty()) {
        return false;
    }
    return process_start_time(parts[3]) != parts[4];
}

std::vector<std::string> orphaned_folders() {
    std::vector<std::string> found;
    std::error_code failed;
    const auto place = std::filesystem::temp_directory_path(failed);
    for (std::filesystem::directory_iterator one(place, failed), end; !failed && one != end;
         one.increment(failed)) {
        struct stat info {};
        if (is_orphan(one->path().filename().string()) && ::lstat(one->path().c_str(), &info) == 0 &&
            S_ISDIR(info.st_mode) && info.st_uid == ::geteuid()) {
            found.push_back(one->path().string());
        }
    }
    return found;
}

void sweep_folders() {
    for (const auto& folder : orphaned_folders()) {
        std::error_code ignored;
        if (!std::filesystem::exists(folder + "/engine", ignored)) {
            std::filesystem::remove_all(folder, ignored);
        }
    }
}

}  // namespace cellblock::sandbox
