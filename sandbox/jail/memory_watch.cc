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
constexpr pid_t kEverybody = -1;

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

std::uint64_t value_after(const char* text, const char* name) {
    const char* line = std::strstr(text, name);
    return line == nullptr ? 0 : std::strtoull(line + std::strlen(name), nullptr, 10);
}

// A program's name may hold anything, but stands in the first line and has no newline of its own.
std::uint64_t page_tables(pid_t pid) {
    Text text;
    return read_of(pid, "status", text) ? value_after(text.data(), "\nVmPTE:") * 1024 : 0;
}

// Of the network namespace: also those that are nobody's descriptor, but wait to be accepted or received.
std::uint64_t sockets() {
    Text text;
    return read_of(::getpid(), "net/sockstat", text) ? value_after(text.data(), "sockets: used") : 0;
}

std::uint64_t sockets_of(pid_t pid) {
    std::array<char, 64> path{};
    std::snprintf(path.data(), path.size(), "/proc/%d/fd", static_cast<int>(pid));
    DIR* folder = ::opendir(path.data());
    std::uint64_t count = 0;
    while (const dirent* entry = folder != nullptr ? ::readdir(folder) : nullptr) {
        std::array<char, 8> to{};
        const ssize_t size = ::readlinkat(::dirfd(folder), entry->d_name, to.data(), to.size());
        count += size > 0 && std::strncmp(to.data(), "socket:", 7) == 0 ? 1 : 0;
    }
    if (folder != nullptr) {
        ::closedir(folder);
    }
    return count;
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
        total += value_after(text.data(), name) * 1024;
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
        return {kFar};  // a jail without namespaces shows no /proc
    }
    const std::uint64_t in_sockets = of_socket_ > 0 ? sockets() * of_socket_ : 0;
    std::uint64_t rough = in_sockets;
    each_process(folder, [&](pid_t pid) { rough += resident(pid) + page_tables(pid); });
    Seen seen{rough > limit_ / 2 ? kNear : kFar};
    if (rough > limit_) {
        std::uint64_t sum = in_sockets;
        std::uint64_t most = 0;
        each_process(folder, [&](pid_t pid) {
            const auto size = proportional(pid) + page_tables(pid);
            sum += size;
            if (const auto all = size + (of_socket_ > 0 ? sockets_of(pid) * of_socket_ : 0); all > most) {
                most = all;
                seen.victim = pid;
            }
        });
        seen.victim = sum > 2 * limit_ ? kEverybody : sum > limit_ ? seen.victim : 0;
    }
    ::closedir(folder);
    return seen;
}

}  // namespace cellblock::sandbox::jail
