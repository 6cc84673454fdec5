// meminfo, control groups, smaps_rollup; proc(5).
#include "sandbox/pool/host_memory.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "sandbox/base/files.h"
#include "sandbox/jail/cgroup_mounts.h"
#include "sandbox/jail/process_usage.h"

namespace cellblock::sandbox::pool {

namespace {

constexpr std::uint64_t kKiB = 1024;
constexpr std::size_t kMostProcesses = 256;  // of a sandbox; more aren't looked at
constexpr std::uint64_t kPage = 4096;

// The sum of the lines "Name:   12 kB" whose name begins so.
std::uint64_t kilobytes(const std::string& text, std::string_view start) {
    std::istringstream lines(text);
    std::uint64_t sum = 0;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(start)) {
            sum += std::strtoull(line.c_str() + line.find(':') + 1, nullptr, 10);
        }
    }
    return sum * kKiB;
}

// Nothing there, or "max": no bound.
std::uint64_t bound_in(const std::string& path) {
    const std::string text = file_text(path);
    return text.empty() || text.front() < '0' || text.front() > '9'
               ? std::numeric_limits<std::uint64_t>::max()
               : std::strtoull(text.c_str(), nullptr, 10);
}

// By a group and those above it. What it has in memory of files can be let go of.
void bound_by(HostMemory& memory, const jail::CgroupPlace& place) {
    const bool second = place.version2;
    for (std::string folder = place.folder; folder.size() > place.mount.size();
         folder = folder.substr(0, folder.rfind('/'))) {
        const std::uint64_t most = bound_in(folder + (second ? "/memory.max" : "/memory.limit_in_bytes"));
        if (most >= memory.total) {
            continue;
        }
        const std::uint64_t used = bound_in(folder + (second ? "/memory.current" : "/memory.usage_in_bytes"));
        const std::uint64_t files =
            value_in(file_text(folder + "/memory.stat"), second ? "inactive_file" : "total_inactive_file");
        memory.total = most;
        memory.available = std::min(memory.available, most - std::min(most, used - std::min(used, files)));
    }
}

struct Pages {
    std::uint64_t resident = 0;
    std::uint64_t of_files = 0;
};

Pages pages_of(pid_t process) {
    std::istringstream fields(file_text("/proc/" + std::to_string(process) + "/statm"));
    std::uint64_t size = 0;
    Pages pages;
    fields >> size >> pages.resident >> pages.of_files;
    return pages;
}

// `ours`: it never ran a cell, so what it may hide is nobody's memory.
std::uint64_t own_memory_of(pid_t process, bool ours) {
    const std::string folder = "/proc/" + std::to_string(process);
    const std::string maps = file_text(folder + "/smaps_rollup");
    if (!maps.empty() || ours) {
        return kilobytes(maps, "Private_");
    }
    const auto pages = pages_of(process);
    return (pages.resident - std::min(pages.resident, pages.of_files)) * kPage;
}

}  // namespace

HostMemory host_memory() {
    const std::string text = file_text("/proc/meminfo");
    HostMemory memory{kilobytes(text, "MemTotal:"), kilobytes(text, "MemAvailable:")};
    for (const auto& place : jail::cgroup_places()) {
        if (place.version2 || place.has("memory")) {
            bound_by(memory, place);
        }
    }
    return memory;
}

std::uint64_t own_memory(pid_t supervisor) {
    std::uint64_t sum = own_memory_of(supervisor, true);
    std::vector<pid_t> all = jail::children_of(supervisor);
    const std::size_t first = all.size();
    for (std::size_t at = 0; at < all.size() && at < kMostProcesses; ++at) {
        sum += own_memory_of(all[at], at < first);
        const auto children = jail::children_of(all[at]);
        all.insert(all.end(), children.begin(), children.end());
    }
    return sum;
}

std::uint64_t resident_memory(pid_t process) {
    return pages_of(process).resident * kPage;
}

}  // namespace cellblock::sandbox::pool
