// The steps that build a jail's root, as far as they don't come from the policy's `files`.
//
// Purpose: what a jail sees of the host's system (read-only), its own small /etc, /dev and /proc, and the
// folders that may be written to. Ownership: plain values. Threads: pure. Failure: none; what a host doesn't
// have is left out.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sandbox/jail/plan.h"

namespace cellblock::sandbox::jail {

// The folders of the one writable filesystem. Read after fork, hence constant.
inline constexpr ScratchFolder kScratchFolders[] = {
    {"tmp", 01777, false}, {"var-tmp", 01777, false}, {"shm", 01777, false},
    {"home", 0700, true},  {"work", 0755, true},      {"overlay", 0700, false},
};

std::vector<FileStep> system_steps(const OwnFiles& own);
// As system_steps; with a network also how the host finds names in it.
std::vector<FileStep> builder_system_steps(const OwnFiles& own, const BuilderJob& job);
std::vector<FileStep> builder_steps(const BuilderJob& job);
// What a warm Python's jail has beside the system's part.
std::vector<FileStep> zygote_steps(const std::string& library);
// Changes the steps of a whole root so that its processes can make jails, which mount a proc of their own.
void show_for_nesting(std::vector<FileStep>& steps);
FileStep packages_step(const std::string& folder);
FileStep font_list_step(const std::string& folder);
std::vector<FileStep> scratch_steps();
// /home/user, which leads to the working directory, unless one of the policy's `rules` lies there.
std::vector<FileStep> link_steps(const std::vector<FileStep>& rules);
std::vector<FileStep> device_steps();
std::vector<FileStep> proc_steps();
// What of /proc no sandbox sees, whatever its engine; true: a file. All but what is known to be needed, as
// the host's /proc has it.
const std::map<std::string, bool>& hidden_of_proc();
std::vector<FileStep> python_steps(const PythonHome& python);

}  // namespace cellblock::sandbox::jail
