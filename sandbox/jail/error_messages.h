// Error messages for a jail that can't be set up.
//
// Threads: pure. Failure: none.
#pragma once

#include <string>

#include "sandbox/api/result.h"
#include "sandbox/jail/plan.h"
#include "sandbox/jail/report.h"

namespace cellblock::sandbox::jail {

// What failed and what to try: looks at the host for the likely cause.
Error setup_error(const JailPlan& plan, const Failure& failure);

// Why this host refuses user namespaces to us, and what to do, if it says so.
std::string namespaces_remedy();

}  // namespace cellblock::sandbox::jail
