// The policy's `files` as steps of building a jail's root.
//
// Purpose: host paths resolved and checked, sandbox paths kept from hiding what
// the jail itself needs. Ownership: plain values. Threads: pure.
// Failure: an Error that names the rule: `files[2].host`.
#pragma once

#include <string>
#include <vector>

#include "sandbox/base/result.h"
#include "sandbox/jail/plan.h"

namespace cellblock::sandbox::jail {

// In the order in which they must be taken: outer folders first.
Result<std::vector<FileStep>> file_rule_steps(const std::vector<FileRule>& rules,
                                              const std::string& directory, const PythonHome& python);

// Which files of the host these steps show, one a line: under the same names there may be others by now.
std::string sources_of(const std::vector<FileStep>& steps);

}  // namespace cellblock::sandbox::jail
