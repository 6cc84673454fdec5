// The memory, processor time and processes of a sandbox, by its control groups' files.
//
// Purpose: the figures at each cell's begin and end, of files that are opened once.
// Ownership: the open files. Threads: none of its own.
// Failure: what can't be read is 0; `measured` tells whether the memory's group is there.
#pragma once

#include <string>

#include "sandbox/api/engine.h"
#include "sandbox/api/unique_fd.h"
#include "sandbox/jail/cgroup.h"

namespace cellblock::sandbox::jail {

class CgroupUsage {
public:
    // `some`: the engine makes groups of its own in ours.
    enum class Inner { none, some };

    CgroupUsage() = default;
    CgroupUsage(const Cgroup& cgroup, Inner inner);

    [[nodiscard]] SandboxUsage now() const;

private:
    std::string inner_;  // the folder whose groups count too
    std::string kills_key_, cpu_key_;
    double cpu_unit_ = 1;  // of a second
    UniqueFd memory_, peak_, kills_, cpu_;
};

}  // namespace cellblock::sandbox::jail
