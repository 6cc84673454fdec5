// Finds what a valid policy asks for and this machine cannot give, and what it grants that is dangerous.
//
// Purpose: `policy check`, `doctor` and `install` say beforehand what a session would otherwise end with.
// Plain values without shared state; the host's files are looked at. Nothing fails: what can't be found out
// is a finding.
#pragma once

#include <string>
#include <vector>

#include "sandbox/api/policy.h"
#include "sandbox/api/result.h"

namespace cellblock::kernel {

// Engines, a Python or files of the host that are missing, and keys that exclude each other. Files that are
// named relative to a session's directory are left to the session.
std::vector<sandbox::Error> findings_in(const sandbox::Policy& policy);

// Warnings of what a valid policy grants and its author may not have meant: keys and secrets that it shows,
// by their names, and files to be kept that could run later.
std::vector<sandbox::Error> warnings_of(const sandbox::Policy& policy);

// Writes the policy's notices (outdated words that its document uses) to stderr, one a line, each after
// `subject`
// ("cellblock run: ").
void print_notices(const std::string& subject, const sandbox::Policy& policy);

}  // namespace cellblock::kernel
