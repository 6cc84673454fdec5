// Findings of `policy check`: keys of a valid policy that this machine cannot satisfy.
//
// Purpose: `policy check` and `install` say beforehand what a session would otherwise end with.
// Ownership: plain values. Threads: no shared state; looks at the host's files. Failure: that is the answer.
#pragma once

#include <vector>

#include "sandbox/api/policy.h"
#include "sandbox/api/result.h"

namespace cellblock::kernel {

// Engines that aren't there, a Python or files of the host that aren't, keys that exclude each other. Files
// that are named relative to a session's directory are left to the session.
std::vector<sandbox::Error> findings_in(const sandbox::Policy& policy);

}  // namespace cellblock::kernel
