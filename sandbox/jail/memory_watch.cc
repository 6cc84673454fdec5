// Reads of /proc.
#include "sandbox/jail/memory_watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace cellblock::sandbox::jail {

namespace {

constexpr std::chrono::milliseconds kNear{100};  // above half of the limit
constexpr std::chrono::milliseconds kFar{500};

using Text = std::array<char, 4096>;

bool read_of(pid_t pid, const char* name, Text& text) {
    std::array<char, 64> path{};
    std::snprintf(path.data(), path.size(), "/proc/%d/%s", static_cast<int>(pid), name);
    const int fd = ::open(path.data(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    const ssize_t size = ::read(fd, text.data(), text.size() - 1);
    ::close(fd);
    text[size > 0 ? static_cast<std::size_t>(size) : 0] = '\0';
    return size > 0;
}

std::uint64_t resident(pid_t pid) {
    Text text;
    if (!read_of(pid, "statm", text)) {
        return 0;
    }
    const char* second = std::strchr(text.data(), ' ');
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    return second == nullptr ? 0 : std::strtoull(second, nullptr, 10) * page;
}

// Its share: anonymous and shared memory, not what it has mapped of files.
std::uint64_t proportional(pid_t pid) {
    Text text;
    if (!read_of(pid, "smaps_rollup", text)) {
        return resident(pid);  // it has closed itself to us
    }
    std::uint64_t total = 0;
    for (const char* name : {"\nPss_Anon:", "\nPss_Shmem:"}) {
        const char* line = std::strstr(text.data(), name);
        total += line == nullptr ? 0 : std::strtoull(line + std::strlen(name), nullptr, 10) * 1024;
    }
    return total;
}

template <class Visit>
void each_process(DIR* folder, Visit visit) {
    ::rewinddir(folder);
    while (const dirent* entry = ::readdir(folder)) {
        const pid_t pid = std::atoi(entry->d_name);
        if (pid > 0 && pid != ::getpid()) {
            visit(pid);
        }
    }
}

}  // namespace

MemoryWatch::Seen MemoryWatch::look() const {
    DIR* folder = ::opendir("/proc");
    if (folder == nullptr) {
        return {kNear, -1};
    }
    std::uint64_t rough = 0;
    each_process(folder, [&](pid_t pid) { rough += resident(pid); });
    Seen seen{rough > limit_ / 2 ? kNear : kFar, -1};
    if (rough > limit_) {
        std::uint64_t sum = 0;
        std::uint64_t most = 0;
        each_process(folder, [&](pid_t pid) {
            const auto size = proportional(pid);
            sum += size;
            if (size > most) {
                most = size;
                seen.victim = pid;
            }
        });
        seen.victim = sum > limit_ ? seen.victim : -1;
    }
    ::closedir(folder);
    return seen;
}

}  // namespace cellblock::sandbox::jail
