// /proc/PID/{task/*/children,stat,statm,status}; proc(5).
#include "sandbox/jail/process_usage.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "sandbox/base/file_text.h"

namespace cellblock::sandbox::jail {

namespace {

constexpr std::size_t kMostProcesses = 4096;  // more aren't looked at

std::string folder_of(pid_t process) {
    return "/proc/" + std::to_string(process);
}

// Its own time, and that of its children which it has waited for.
double cpu_seconds_of(pid_t process) {
    const std::string text = file_text(folder_of(process) + "/stat");
    const auto name_end = text.rfind(')');  // a name may hold anything, a new line too
    if (name_end == std::string::npos) {
        return 0;
    }
    std::istringstream fields(text.substr(name_end + 1));
    constexpr int kBeforeTimes = 11;  // state is field 3, utime 14
    std::string skipped;
    for (int field = 0; field < kBeforeTimes; ++field) {
        fields >> skipped;
    }
    std::int64_t own_user = 0;
    std::int64_t own_system = 0;
    std::int64_t children_user = 0;
    std::int64_t children_system = 0;
    fields >> own_user >> own_system >> children_user >> children_system;
    const auto ticks = own_user + own_system + children_user + children_system;
    return static_cast<double>(ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::uint64_t own_memory_of(pid_t process) {
    std::ifstream file(folder_of(process) + "/statm");
    std::uint64_t size = 0;
    std::uint64_t resident = 0;
    std::uint64_t shared = 0;
    file >> size >> resident >> shared;
    return (resident - std::min(resident, shared)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
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
        usage.cpu_seconds += cpu_seconds_of(process);
        usage.memory_bytes += own_memory_of(process);
        usage.peak_memory_bytes = std::max(usage.peak_memory_bytes, peak_memory_of(process));
        const auto children = children_of(process);
        all.insert(all.end(), children.begin(), children.end());
    }
    usage.measured = usage.peak_memory_bytes > 0;
    return usage;
}

}  // namespace cellblock::sandbox::jail
