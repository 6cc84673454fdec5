// meminfo, control groups; proc(5), sched_getaffinity(2).
#include "sandbox/base/machine.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <string>

#include "sandbox/base/cgroup_places.h"
#include "sandbox/base/files.h"
#include "sandbox/base/text.h"

namespace cellblock::sandbox {

namespace {

// Nothing there, or "max": no bound.
std::uint64_t bound_in(const std::string& path) {
    const std::string text = file_text(path);
    return text.empty() || text.front() < '0' || text.front() > '9'
               ? std::numeric_limits<std::uint64_t>::max()
               : std::strtoull(text.c_str(), nullptr, 10);
}

// Calls look(folder) for a group and for those above it. In a container the mount's root is the container's
// own group, which has bounds too.
template <class Look>
void each_above(const CgroupPlace& place, Look look) {
    for (std::string folder = place.folder; folder.size() >= place.mount.size();
         folder = folder.substr(0, folder.rfind('/'))) {
        look(folder);
    }
}

// A group's memory bound. Pages of files count as free, since the kernel can let them go.
void bound_by(MachineMemory& memory, const CgroupPlace& place) {
    const bool second = place.version2;
    each_above(place, [&](const std::string& folder) {
        const std::uint64_t most = bound_in(folder + (second ? "/memory.max" : "/memory.limit_in_bytes"));
        if (most >= memory.total) {
            return;
        }
        const std::uint64_t used = bound_in(folder + (second ? "/memory.current" : "/memory.usage_in_bytes"));
        const std::uint64_t files =
            value_in(file_text(folder + "/memory.stat"), second ? "inactive_file" : "total_inactive_file");
        memory.total = most;
        memory.available = std::min(memory.available, most - std::min(most, used - std::min(used, files)));
    });
}

// "50000 100000" or "max 100000" of version 2; of version 1 two files, and -1 for no bound. Infinite: no
// bound.
double time_share(const std::string& folder, bool version2) {
    const auto words = version2 ? split_at(file_text(folder + "/cpu.max"), ' ')
                                : std::vector<std::string>{file_text(folder + "/cpu.cfs_quota_us"),
                                                           file_text(folder + "/cpu.cfs_period_us")};
    const double quota = words.size() == 2 ? std::strtod(words[0].c_str(), nullptr) : 0;
    const double period = words.size() == 2 ? std::strtod(words[1].c_str(), nullptr) : 0;
    return quota > 0 && period > 0 ? quota / period : std::numeric_limits<double>::infinity();
}

}  // namespace

MachineMemory machine_memory() {
    const std::string text = file_text("/proc/meminfo");
    MachineMemory memory{sum_of_kib(text, "MemTotal:"), sum_of_kib(text, "MemAvailable:")};
    for (const auto& place : cgroup_places()) {
        if (place.version2 || place.has("memory")) {
            bound_by(memory, place);
        }
    }
    return memory;
}

double machine_cpus() {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    double cpus = ::sched_getaffinity(0, sizeof allowed, &allowed) == 0
                      ? CPU_COUNT(&allowed)
                      : static_cast<double>(::sysconf(_SC_NPROCESSORS_ONLN));  // more than a set has room for
    for (const auto& place : cgroup_places()) {
        if (place.version2 || place.has("cpu")) {
            each_above(place, [&](const std::string& folder) {
                cpus = std::min(cpus, time_share(folder, place.version2));
            });
        }
    }
    return std::max(cpus, 0.01);
}

}  // namespace cellblock::sandbox
