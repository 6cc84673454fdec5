// /proc/PID/{stat,statm} (proc(5)), pidfds.
#include "sandbox/base/process.h"

#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "sandbox/base/files.h"
#include "sandbox/base/text.h"

namespace cellblock::sandbox {

namespace {

// The fields of /proc/PID/stat from the third on (the state). The second, a program's name, may hold
// anything, a space or a newline too; no later field holds a parenthesis.
std::istringstream stat_fields(const std::string& pid) {
    const std::string text = file_text("/proc/" + pid + "/stat");
    const auto name_end = text.rfind(')');
    return std::istringstream(name_end == std::string::npos ? std::string() : text.substr(name_end + 1));
}

void skip(std::istringstream& fields, int count) {
    std::string field;
    for (int i = 0; i < count; ++i) {
        fields >> field;
    }
}

}  // namespace

UniqueFd open_pidfd(pid_t process) {
    return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
}

pid_t process_of(int pidfd) {
    constexpr std::string_view kName = "\nPid:";
    const std::string text = "\n" + file_text("/proc/self/fdinfo/" + std::to_string(pidfd));
    const auto at = text.find(kName);
    const long number =
        at == std::string::npos ? -1 : std::strtol(text.c_str() + at + kName.size(), nullptr, 10);
    return number > 0 ? static_cast<pid_t>(number) : -1;
}

bool ends_within(int pidfd, std::chrono::milliseconds time) {
    using Clock = std::chrono::steady_clock;
    const auto until = Clock::now() + time;
    pollfd wanted{pidfd, POLLIN, 0};
    while (true) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
        const int ready = ::poll(&wanted, 1, static_cast<int>(std::max<long>(left, 0)));
        if (ready >= 0 || errno != EINTR) {
            return ready != 0;
        }
    }
}

std::string process_start_time(const std::string& pid) {
    constexpr int kState = 3;
    constexpr int kStartTime = 22;
    auto fields = stat_fields(pid);
    std::string state;
    std::string start_time;
    fields >> state;
    skip(fields, kStartTime - kState - 1);
    fields >> start_time;
    return fields && state != "Z" && state != "X" ? start_time : std::string();
}

double process_cpu_seconds(pid_t process) {
    constexpr int kFirst = 3;
    constexpr int kUserTime = 14;  // then the system's, and both of the children
    auto fields = stat_fields(std::to_string(process));
    skip(fields, kUserTime - kFirst);
    std::int64_t ticks = 0;
    std::int64_t more = 0;
    for (int i = 0; i < 4 && fields >> more; ++i) {
        ticks += more;
    }
    return static_cast<double>(ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::uint64_t process_own_memory(pid_t process) {
    std::istringstream fields(file_text("/proc/" + std::to_string(process) + "/statm"));
    std::uint64_t size = 0;
    std::uint64_t resident = 0;
    std::uint64_t shared = 0;
    fields >> size >> resident >> shared;
    return (resident - std::min(resident, shared)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::string pid_namespace() {
    struct stat info {};
    return ::stat("/proc/self/ns/pid", &info) == 0 ? std::to_string(info.st_ino) : std::string("0");
}

std::string describe_end(int wait_status, std::string_view text) {
    std::string out;
    if (WIFSIGNALED(wait_status)) {
        const int number = WTERMSIG(wait_status);
        const char* name = ::sigabbrev_np(number);
        out = "the sandbox was ended by signal " + std::to_string(number) +
              (name != nullptr ? " (SIG" + std::string(name) + ")" : "");
    } else if (WEXITSTATUS(wait_status) != 0) {
        out = "the sandbox's first process left with status " + std::to_string(WEXITSTATUS(wait_status));
    }
    const std::string wrote = printable(text);
    return wrote.empty() ? out : out.empty() ? wrote : out + "; it wrote: " + wrote;
}

}  // namespace cellblock::sandbox
