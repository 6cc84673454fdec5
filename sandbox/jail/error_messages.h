// Error messages for a jail that can't be set up: what failed, where, and what to do.
//
// Threads: pure. Failure: none.
#pragma once

#include <string>

#include "sandbox/api/result.h"
#include "sandbox/jail/plan.h"
#include "sandbox/jail/report.h"

namespace cellblock::sandbox::jail {

// Looks at the host for the likely cause.
Error setup_error(const JailPlan& plan, const Failure& failure);

// The remedy where this host refuses user namespaces; empty: the host doesn't tell why.
std::string namespaces_remedy();

}  // namespace cellblock::sandbox::jail
