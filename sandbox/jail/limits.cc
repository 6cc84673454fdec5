// Resource limits.
#include "sandbox/jail/limits.h"

#include <algorithm>

namespace cellblock::sandbox::jail {

namespace {

// 0 would still feed a core_pattern that is a pipe to a program of the host's; 1
// is the value that prevents both that and a file.
constexpr rlim_t kNoCore = 1;
constexpr rlim_t kDescriptors = 4096;
constexpr rlim_t kLockedMemory = 64U << 10;
constexpr rlim_t kMessageQueues = 64U << 10;
constexpr rlim_t kPendingSignals = 4096;
constexpr rlim_t kStack = 8U << 20;

}  // namespace

std::vector<ResourceLimit> resource_limits(const Limits& limits, bool memory_is_limited) {
    const rlim_t memory = limits.memory_bytes - (memory_is_limited ? limits.memory_bytes / 16 : 0);
    std::vector<ResourceLimit> wanted{
        {RLIMIT_CORE, kNoCore},
        {RLIMIT_NPROC, limits.processes},
        {RLIMIT_NOFILE, kDescriptors},
        {RLIMIT_FSIZE, limits.disk_bytes},
        {RLIMIT_DATA, memory},
        {RLIMIT_STACK, kStack},
        {RLIMIT_MEMLOCK, kLockedMemory},
        {RLIMIT_MSGQUEUE, kMessageQueues},
        {RLIMIT_SIGPENDING, kPendingSignals},
        {RLIMIT_RTPRIO, 0},
        {RLIMIT_NICE, 0},
    };
    for (auto& limit : wanted) {
        rlimit now{};
        if (::getrlimit(static_cast<__rlimit_resource_t>(limit.resource), &now) == 0) {
            limit.value = std::min(limit.value, now.rlim_max);
        }
    }
    return wanted;
}

}  // namespace cellblock::sandbox::jail
