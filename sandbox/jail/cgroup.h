// The control groups of one sandbox: version 1, version 2 or a mixture.
//
// Purpose: they bound what a sandbox's processes use together. make() makes folders below the host process's
// own groups. With version 2 that is the folder that systemd has delegated to the process, or a scope for
// which make() asks systemd (own_scope.h; the first call may take some hundredths of a second by that, and
// moves this process). Else it is the nearest folder above that may be written to and hands on its
// controllers, which make() may ask it to. A folder's name carries its owner's process id and start time, so
// that the next start sweeps what a killed owner left.
//
//     const auto cgroup = Cgroup::make(policy.limits);
//     use_cgroup(plan, cgroup);  // the jail's first process joins
//     …
//     cgroup.remove();           // once all of its processes are gone
//
// Ownership: a Cgroup only knows its folders; remove() or the jail's supervisor removes them.
// Threads: no shared state. Failure: a limit that can't be had is left out, and its limits_…() text is empty;
// obstacle() and remedy() tell why.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/api/policy.h"

namespace cellblock::sandbox::jail {

class Cgroup {
public:
    // Makes the groups with the policy's limits.
    static Cgroup make(const Limits& limits);
    // Tells whether these groups would limit memory, as far as that can be told by looking. Changes nothing.
    static bool would_limit_memory();

    [[nodiscard]] const std::vector<std::string>& folders() const { return folders_; }
    // The files by which a process joins. Version 1's is `tasks`: the process itself writes "0", which moves
    // its one thread at once. Version 2's is `cgroup.procs`: the supervisor writes the process's number,
    // which waits until all of the machine knows.
    [[nodiscard]] std::vector<std::string> files_to_join() const;
    // By what a limit is kept, "cgroup v1"; empty: it isn't.
    [[nodiscard]] std::string limits_memory() const { return by(memory_); }
    [[nodiscard]] std::string limits_processes() const { return by(pids_); }
    [[nodiscard]] std::string limits_cpus() const { return by(cpu_); }
    // The reason for no group, or one without a limit, and what to do; empty: not known.
    [[nodiscard]] const std::string& obstacle() const { return obstacle_; }
    [[nodiscard]] const std::string& remedy() const { return remedy_; }
    // Where usage is counted; empty: nowhere.
    [[nodiscard]] const std::string& memory_folder() const { return memory_; }
    [[nodiscard]] const std::string& cpu_folder() const { return cpuacct_; }
    [[nodiscard]] bool is_version2() const { return version2_; }
    // Once every process in it is gone. Tries for a moment.
    void remove() const;
    // The same where processes may be on their way in or out for longer.
    void remove_within(std::chrono::milliseconds time) const;
    // Removes those of this process's groups that have no process in them any more: at the end of a process
    // that made many, where some couldn't be removed in time.
    static void remove_unused();

    // For another process of the same user, which then is its owner.
    [[nodiscard]] std::string to_bytes() const;
    static std::optional<Cgroup> from_bytes(std::string_view bytes);

private:
    template <class Self, class Field>
    static void members(Self& self, Field field) {
        field(self.folders_), field(self.memory_), field(self.pids_), field(self.cpu_), field(self.cpuacct_);
        field(self.version2_), field(self.obstacle_), field(self.remedy_);
    }
    void make_v1(const Limits& limits);
    void make_v2(const Limits& limits);
    bool make_delegated(const Limits& limits);
    bool make_in(const std::string& above, const std::string& mount, const Limits& limits);
    void limit_memory_v1(const std::string& folder, const Limits& limits);
    [[nodiscard]] std::string by(const std::string& folder) const;

    std::vector<std::string> folders_;
    std::string memory_;  // the folder that limits memory; empty: none
    std::string pids_;
    std::string cpu_;
    std::string cpuacct_;  // the folder that counts processor time
    bool version2_ = false;
    std::string obstacle_;
    std::string remedy_;
};

}  // namespace cellblock::sandbox::jail
