// Reading the figures of control groups.
#include "sandbox/jail/cgroup_usage.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>

#include "sandbox/base/files.h"

namespace cellblock::sandbox::jail {

namespace {

UniqueFd opened(const std::string& folder, const char* name) {
    return UniqueFd(folder.empty() ? -1 : ::open((folder + name).c_str(), O_RDONLY | O_CLOEXEC));
}

// The file is one number, which comes whole.
std::uint64_t number_in(const UniqueFd& file) {
    std::array<char, 32> text{};
    const bool is_read = file.valid() && ::pread(file.get(), text.data(), text.size() - 1, 0) > 0;
    return is_read ? std::strtoull(text.data(), nullptr, 10) : 0;
}

// Version 1 counts a kill where the killed process was: that may be a group that an engine made.
std::uint64_t kills_below(const std::string& folder) {
    std::uint64_t kills = 0;
    std::error_code failed;
    for (std::filesystem::directory_iterator one(folder, failed), end; !failed && one != end;
         one.increment(failed)) {
        if (std::filesystem::is_directory(one->symlink_status(failed))) {
            kills += value_in(file_text(one->path().string() + "/memory.oom_control"), "oom_kill");
        }
    }
    return kills;
}

}  // namespace

CgroupUsage::CgroupUsage(const Cgroup& cgroup, Inner inner) {
    const std::string& memory = cgroup.memory_folder();
    const std::string& cpu = cgroup.cpu_folder();
    if (cgroup.is_version2()) {
        memory_ = opened(memory, "/memory.current");
        peak_ = opened(memory, "/memory.peak");  // since Linux 5.19
        kills_ = opened(memory, "/memory.events");
        cpu_ = opened(cpu, "/cpu.stat");
        cpu_key_ = "usage_usec";
        cpu_unit_ = 1e-6;
    } else {
        memory_ = opened(memory, "/memory.usage_in_bytes");
        peak_ = opened(memory, "/memory.max_usage_in_bytes");
        kills_ = opened(memory, "/memory.oom_control");
        cpu_ = opened(cpu, "/cpuacct.usage");
        cpu_unit_ = 1e-9;
        inner_ = inner == Inner::some ? memory : "";
    }
}

SandboxUsage CgroupUsage::now() const {
    SandboxUsage usage;
    usage.measured = memory_.valid();
    usage.memory_bytes = number_in(memory_);
    usage.peak_memory_bytes = number_in(peak_);
    usage.oom_kills =
        value_in(file_text(kills_.get()), "oom_kill") + (inner_.empty() ? 0 : kills_below(inner_));
    const std::uint64_t units =
        cpu_key_.empty() ? number_in(cpu_) : value_in(file_text(cpu_.get()), cpu_key_);
    usage.cpu_seconds = static_cast<double>(units) * cpu_unit_;
    return usage;
}

}  // namespace cellblock::sandbox::jail
