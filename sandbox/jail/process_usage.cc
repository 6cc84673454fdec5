// /proc/PID/{task/*/children,status}; proc(5).
#include "sandbox/jail/process_usage.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "sandbox/base/process.h"

namespace cellblock::sandbox::jail {

namespace {

constexpr std::size_t kMostProcesses = 4096;  // more aren't looked at

std::string folder_of(pid_t process) {
    return "/proc/" + std::to_string(process);
}

std::uint64_t peak_memory_of(pid_t process) {
    std::ifstream file(folder_of(process) + "/status");
    for (std::string line; std::getline(file, line);) {
        constexpr std::string_view kPeak = "VmHWM:";
        if (line.starts_with(kPeak)) {
            return std::strtoull(line.c_str() + kPeak.size(), nullptr, 10) * 1024;
        }
    }
    return 0;
}

}  // namespace

std::vector<pid_t> children_of(pid_t process) {
    std::vector<pid_t> found;
    std::error_code error;
    for (std::filesystem::directory_iterator task(folder_of(process) + "/task", error), end;
         !error && task != end; task.increment(error)) {
        std::ifstream file(task->path() / "children");
        pid_t child = 0;
        while (file >> child) {
            found.push_back(child);
        }
    }
    return found;
}

SandboxUsage usage_below(pid_t root) {
    SandboxUsage usage;
    std::vector<pid_t> all = children_of(root);
    for (std::size_t at = 0; at < all.size() && at < kMostProcesses; ++at) {
        const pid_t process = all[at];
        usage.cpu_seconds += process_cpu_seconds(process);
        usage.memory_bytes += process_own_memory(process);
        usage.peak_memory_bytes = std::max(usage.peak_memory_bytes, peak_memory_of(process));
        for (const pid_t child : children_of(process)) {
            all.push_back(child);
        }
    }
    usage.measured = usage.peak_memory_bytes > 0;
    return usage;
}

}  // namespace cellblock::sandbox::jail
