// smaps_rollup and statm; proc(5).
#include "sandbox/pool/sandbox_memory.h"

#include <sstream>
#include <string>
#include <vector>

#include "sandbox/base/files.h"
#include "sandbox/base/process.h"
#include "sandbox/jail/process_usage.h"

namespace cellblock::sandbox::pool {

namespace {

constexpr std::size_t kMostProcesses = 256;  // of a sandbox; more aren't looked at
constexpr std::uint64_t kPage = 4096;

// `ours`: it never ran a cell, so what it may hide is nobody's memory.
std::uint64_t own_memory_of(pid_t process, bool ours) {
    const std::string folder = "/proc/" + std::to_string(process);
    const std::string maps = file_text(folder + "/smaps_rollup");
    if (!maps.empty() || ours) {
        return sum_of_kib(maps, "Private_");
    }
    return process_own_memory(process);
}

}  // namespace

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
    std::istringstream fields(file_text("/proc/" + std::to_string(process) + "/statm"));
    std::uint64_t size = 0;
    std::uint64_t resident = 0;
    fields >> size >> resident;
    return resident * kPage;
}

}  // namespace cellblock::sandbox::pool
