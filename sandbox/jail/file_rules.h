// The policy's `files` as steps of building a jail's root.
//
// Purpose: host paths resolved and checked, sandbox paths kept from hiding what
// the jail itself needs. Ownership: plain values. Threads: pure.
// Failure: an Error that names the rule: `files[2].host`.
#pragma once

#include <string>
#include <vector>

#include "sandbox/api/result.h"
#include "sandbox/jail/plan.h"

namespace cellblock::sandbox::jail {

// In the order in which they must be taken: outer folders first.
Result<std::vector<FileStep>> file_rule_steps(const std::vector<FileRule>& rules,
                                              const std::string& directory, const PythonHome& python);

// What of the folders that these steps show isn't shown, as steps that cover it. Of an overlay only what lies
// deeper than in the folder itself: its own step leaves out the rest, and cells may make files of those
// names. Error: another step would have to lie in what is covered.
Result<std::vector<FileStep>> mask_steps(const std::vector<FileStep>& steps);

// The host's files that these steps show, one a line: under the same names there may be others by now.
std::string sources_of(const std::vector<FileStep>& steps);

}  // namespace cellblock::sandbox::jail
