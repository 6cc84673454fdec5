// Making, reading and removing a sandbox's control groups.
#include "sandbox/jail/cgroup.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>

#include "sandbox/base/bytes.h"
#include "sandbox/base/cgroup_places.h"
#include "sandbox/base/files.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/jail/cgroup_folders.h"
#include "sandbox/jail/own_scope.h"

namespace cellblock::sandbox::jail {

namespace {

// A sandbox's share of processors that more processes want than there is time for: half of what the kernel
// process and the Jupyter server have (1024 and 100 by default), and the same for each sandbox.
constexpr const char* kShares = "512";
constexpr const char* kWeight = "50";
constexpr std::uint64_t kPeriodMicroseconds = 100000;
constexpr std::uint64_t kNetworkShare = 8;
constexpr std::uint64_t kLeastNetwork = 4U << 20;

bool write_text(const std::string& path, const std::string& text) {
    return write_file(path.c_str(), text.data(), text.size());
}

std::string quota(const Limits& limits) {
    return std::to_string(static_cast<std::uint64_t>(std::ceil(limits.cpus * kPeriodMicroseconds)));
}

// What `folder` hands on to its children, asked for where it isn't yet. Where the groups aren't systemd's,
// those above are asked to hand it on as well.
bool hands_on(const std::string& folder, const std::string& mount, const std::string& controller) {
    if (hands_on_already(folder, controller)) {
        return true;
    }
    if (folder.size() > mount.size() && !has_controller(folder, controller) && !systemd_runs()) {
        (void)hands_on(folder.substr(0, folder.rfind('/')), mount, controller);
    }
    return write_text(folder + "/cgroup.subtree_control", "+" + controller) &&
           hands_on_already(folder, controller);
}

// Whether a process of ours may be moved there: a child tries.
bool can_join(const std::string& folder) {
    const std::string file = folder + "/cgroup.procs";
    const pid_t child = ::_Fork();
    if (child == 0) {
        ::_exit(write_file(file.c_str(), "0", 1) ? 0 : 1);
    }
    int status = 1;
    return child > 0 && ::waitpid(child, &status, 0) == child && status == 0;
}

}  // namespace

Cgroup Cgroup::make(const Limits& limits) {
    Cgroup made;
    made.make_v1(limits);
    if (made.folders_.empty()) {
        made.make_v2(limits);
    }
    return made;
}

bool Cgroup::would_limit_memory() {
    const auto places = cgroup_places();
    const bool first = std::any_of(places.begin(), places.end(), [](const CgroupPlace& place) {
        return !place.version2 && place.has("memory") && ::access(place.folder.c_str(), W_OK) == 0;
    });
    return first || std::any_of(places.begin(), places.end(), [](const CgroupPlace& place) {
               std::string above = place.folder;
               while (place.version2 && above.size() >= place.mount.size()) {
                   if (::access(above.c_str(), W_OK) == 0 && would_hand_on(above, "memory") &&
                       would_hand_on(above, "pids")) {
                       return true;
                   }
                   above = above.substr(0, above.rfind('/'));
               }
               return false;
           });
}

void Cgroup::limit_memory_v1(const std::string& folder, const Limits& limits) {
    const std::string bytes = std::to_string(limits.memory_bytes);
    if (write_text(folder + "/memory.limit_in_bytes", bytes)) {
        memory_ = folder;
        // With swap, where it is counted; not every kernel does.
        (void)write_text(folder + "/memory.memsw.limit_in_bytes", bytes);
        (void)write_text(folder + "/memory.swappiness", "0");
        // Version 1 doesn't count what lies in TCP's and UDP's buffers towards that, unless it has a limit of
        // its own. Without, a cell's loopback takes all of the machine's (net.ipv4.tcp_mem).
        (void)write_text(folder + "/memory.kmem.tcp.limit_in_bytes",
                         std::to_string(std::max(limits.memory_bytes / kNetworkShare, kLeastNetwork)));
    }
}

void Cgroup::make_v1(const Limits& limits) {
    const std::string name = new_cgroup_name();
    for (const auto& place : cgroup_places()) {
        const bool wanted =
            place.has("memory") || place.has("pids") || place.has("cpu") || place.has("cpuacct");
        if (place.version2 || !wanted) {
            continue;
        }
        sweep_cgroups(place.folder);
        const std::string folder = place.folder + "/" + name;
        if (::mkdir(folder.c_str(), 0755) != 0) {
            continue;
        }
        folders_.push_back(folder);
        if (place.has("memory")) {
            limit_memory_v1(folder, limits);
        }
        if (place.has("pids") && write_text(folder + "/pids.max", std::to_string(limits.processes))) {
            pids_ = folder;
        }
        if (place.has("cpu") &&
            write_text(folder + "/cpu.cfs_period_us", std::to_string(kPeriodMicroseconds)) &&
            write_text(folder + "/cpu.cfs_quota_us", quota(limits))) {
            cpu_ = folder;
            (void)write_text(folder + "/cpu.shares", kShares);
        }
        if (place.has("cpuacct")) {
            cpuacct_ = folder;
        }
    }
}

// In the folder that was delegated: the one above, as a group with processes can't hand on controllers.
bool Cgroup::make_delegated(const Limits& limits) {
    for (const auto& place : cgroup_places()) {
        const std::string above = place.folder.substr(0, place.folder.rfind('/'));
        if (place.version2 && is_delegated(above) && make_in(above, place.mount, limits)) {
            return true;
        }
    }
    return false;
}

void Cgroup::make_v2(const Limits& limits) {
    if (make_delegated(limits)) {
        return;
    }
    const Status moved = enter_own_scope();
    if (moved.ok() && make_delegated(limits)) {
        return;
    }
    if (!moved) {
        obstacle_ = moved.error().message;
        remedy_ = moved.error().remedy;
    }
    for (const auto& place : cgroup_places()) {
        for (std::string above = place.folder; place.version2 && above.size() >= place.mount.size();
             above = above.substr(0, above.rfind('/'))) {
            if (make_in(above, place.mount, limits)) {
                return;
            }
        }
    }
}

bool Cgroup::make_in(const std::string& above, const std::string& mount, const Limits& limits) {
    if (::access(above.c_str(), W_OK) != 0 || !hands_on(above, mount, "memory") ||
        !hands_on(above, mount, "pids")) {
        return false;
    }
    const bool cpu = hands_on(above, mount, "cpu");
    sweep_cgroups(above);
    const std::string folder = above + "/" + new_cgroup_name();
    if (::mkdir(folder.c_str(), 0755) != 0) {
        return false;
    }
    if (!can_join(folder) || !write_text(folder + "/memory.max", std::to_string(limits.memory_bytes)) ||
        !write_text(folder + "/pids.max", std::to_string(limits.processes))) {
        remove_cgroup(folder);
        return false;
    }
    (void)write_text(folder + "/memory.swap.max", "0");
    (void)write_text(folder + "/memory.oom.group", "0");
    const std::string share = quota(limits) + " " + std::to_string(kPeriodMicroseconds);
    folders_ = {folder};
    version2_ = true;
    memory_ = pids_ = cpuacct_ = folder;
    cpu_ = cpu && write_text(folder + "/cpu.max", share) ? folder : "";
    (void)write_text(folder + "/cpu.weight", kWeight);
    if (cpu_.empty() && obstacle_.empty()) {
        obstacle_ = "the groups here have no controller cpu";
        remedy_ = systemd_runs() ? how_to_delegate("cpu") : "";
    }
    return true;
}

std::vector<std::string> Cgroup::files_to_join() const {
    std::vector<std::string> files;
    for (const auto& folder : folders_) {
        files.push_back(folder + (version2_ ? "/cgroup.procs" : "/tasks"));
    }
    return files;
}

std::string Cgroup::by(const std::string& folder) const {
    return folder.empty() ? "" : version2_ ? "cgroup v2" : "cgroup v1";
}

void Cgroup::remove() const {
    for (const auto& folder : folders_) {
        remove_cgroup(folder);
    }
}

// Version 2's are made where the search in make_v2() ends.
void Cgroup::remove_unused() {
    for (const auto& place : cgroup_places()) {
        remove_own_cgroups(place.folder);
        for (std::string above = place.folder; place.version2 && above.size() > place.mount.size();) {
            above.resize(above.rfind('/'));
            remove_own_cgroups(above);
        }
    }
}

void Cgroup::remove_within(std::chrono::milliseconds time) const {
    const auto until = std::chrono::steady_clock::now() + time;
    const auto is_there = [](const std::string& folder) { return ::access(folder.c_str(), F_OK) == 0; };
    do {
        remove();
    } while (std::any_of(folders_.begin(), folders_.end(), is_there) &&
             std::chrono::steady_clock::now() < until);
}

std::string Cgroup::to_bytes() const {
    return members_to_bytes(*this, [](auto& group, auto field) { members(group, field); });
}

std::optional<Cgroup> Cgroup::from_bytes(std::string_view bytes) {
    return members_from_bytes<Cgroup>(bytes, [](auto& group, auto field) { members(group, field); });
}

}  // namespace cellblock::sandbox::jail
