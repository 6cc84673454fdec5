#include "sandbox/base/standard_error.h"

#include <sys/stat.h>
#include <unistd.h>

#include <climits>

#include "sandbox/base/files.h"
#include "sandbox/base/text.h"

namespace cellblock::sandbox {

namespace {

// The value of a variable in /proc/PID/environ: the environment that the process began with.
std::string first_value_of(const std::string& variable, const std::string& process) {
    const std::string all = std::string(1, '\0') + file_text("/proc/" + process + "/environ");
    const std::string start = std::string(1, '\0') + variable + "=";
    const auto at = all.find(start);
    return at == std::string::npos ? std::string() : std::string(all.c_str() + at + start.size());
}

// "journalctl --user --unit=jupyter.service": by the last service or scope in the process's control group.
std::string journal_command(const std::string& process) {
    std::string unit;
    bool is_users = false;
    for (const auto& part : split_at(file_text("/proc/" + process + "/cgroup"), '/')) {
        const std::string name = part.substr(0, part.find('\n'));
        if (name.starts_with("user@") && name.ends_with(".service")) {
            is_users = true;
        } else if (name.ends_with(".service") || name.ends_with(".scope")) {
            unit = name;
        }
    }
    return unit.empty() ? "journalctl _PID=" + process
                        : std::string("journalctl ") + (is_users ? "--user " : "") + "--unit=" + unit;
}

}  // namespace

std::string standard_error_of(pid_t process) {
    const std::string number = std::to_string(process);
    const std::string link = "/proc/" + number + "/fd/2";
    char target[PATH_MAX];
    const ssize_t size = ::readlink(link.c_str(), target, sizeof target);
    if (size <= 0) {
        return {};
    }
    struct stat info {};
    const bool is_journal = ::stat(link.c_str(), &info) == 0 &&
                            first_value_of("JOURNAL_STREAM", number) ==
                                std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino);
    return is_journal ? "systemd's journal: " + journal_command(number) + " --grep=cellblock"
                      : std::string(target, static_cast<std::size_t>(size));
}

}  // namespace cellblock::sandbox
