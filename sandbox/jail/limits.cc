// Resource limits.
#include "sandbox/jail/limits.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "sandbox/base/files.h"

namespace cellblock::sandbox::jail {

namespace {

// 0 would still feed a core_pattern that is a pipe to a program of the host's; 1
// is the value that prevents both that and a file.
constexpr rlim_t kNoCore = 1;
// A cell may have as many descriptors on their way through Unix sockets as it may have files open, and one
// message more (253). For an ordinary user that is the sum of all of that user's programs, the host's too, of
// which many have a limit of 1,024: they must be able to send some when a cell has as many on their way as it
// can.
constexpr rlim_t kDescriptors = 1024;
constexpr rlim_t kDescriptorsOfUser = 512;
// Without a cgroup a process's page tables are counted, but only from time to time: 1/512 of that.
constexpr rlim_t kAddresses = 64ULL << 30;
constexpr std::uint64_t kLeastOfSocket = 208U << 10;
constexpr rlim_t kLockedMemory = 64U << 10;
constexpr rlim_t kMessageQueues = 64U << 10;
constexpr rlim_t kPendingSignals = 4096;
constexpr rlim_t kStack = 8U << 20;

// Threads of that user's processes now.
rlim_t threads_of(uid_t user) {
    rlim_t count = 0;
    std::error_code failed;
    for (std::filesystem::directory_iterator one("/proc", failed), end; !failed && one != end;
         one.increment(failed)) {
        struct stat info {};
        const std::string tasks = one->path().string() + "/task";
        if (::stat(tasks.c_str(), &info) == 0 && info.st_uid == user && info.st_nlink > 2) {
            count += info.st_nlink - 2;
        }
    }
    return count;
}

rlim_t most_descriptors() {
    rlimit now{};
    const rlim_t wanted = ::geteuid() == 0 ? kDescriptors : kDescriptorsOfUser;
    return ::getrlimit(RLIMIT_NOFILE, &now) == 0 ? std::min(wanted, now.rlim_max / 2) : wanted;
}

}  // namespace

void count_others_processes(JailPlan& plan) {
    for (auto& limit : plan.limits) {
        if (limit.resource == RLIMIT_NPROC && !plan.identity.privileged) {
            limit.value += threads_of(plan.identity.user);
        }
    }
}

ResourceLimit processes_of_zygote() {
    constexpr rlim_t kLeast = 1024;
    const rlim_t numbers = std::strtoull(file_text("/proc/sys/kernel/pid_max").c_str(), nullptr, 10);
    rlimit now{};
    const rlim_t wanted = std::max(numbers / 4, kLeast);
    return {RLIMIT_NPROC, ::getrlimit(RLIMIT_NPROC, &now) == 0 ? std::min(wanted, now.rlim_max) : wanted};
}

std::uint64_t bytes_of_socket() {
    std::uint64_t most = kLeastOfSocket;
    for (const char* file : {"/proc/sys/net/core/wmem_default", "/proc/sys/net/core/rmem_default"}) {
        most = std::max<std::uint64_t>(most, std::strtoull(file_text(file).c_str(), nullptr, 10));
    }
    return most;
}

std::vector<ResourceLimit> resource_limits(const Limits& limits, bool memory_is_limited) {
    const rlim_t memory = limits.memory_bytes - (memory_is_limited ? limits.memory_bytes / 16 : 0);
    std::vector<ResourceLimit> wanted{
        {RLIMIT_CORE, kNoCore},
        {RLIMIT_NPROC, limits.processes},
        {RLIMIT_NOFILE, most_descriptors()},
        {RLIMIT_FSIZE, limits.disk_bytes},
        {RLIMIT_DATA, memory},
        {RLIMIT_STACK, kStack},
        {RLIMIT_MEMLOCK, kLockedMemory},
        {RLIMIT_MSGQUEUE, kMessageQueues},
        {RLIMIT_SIGPENDING, kPendingSignals},
        {RLIMIT_RTPRIO, 0},
        {RLIMIT_NICE, 0},
    };
    if (!memory_is_limited) {
        wanted.push_back({RLIMIT_AS, kAddresses + 8 * limits.memory_bytes});
    }
    for (auto& limit : wanted) {
        rlimit now{};
        if (::getrlimit(static_cast<__rlimit_resource_t>(limit.resource), &now) == 0) {
            limit.value = std::min(limit.value, now.rlim_max);
        }
    }
    return wanted;
}

}  // namespace cellblock::sandbox::jail
