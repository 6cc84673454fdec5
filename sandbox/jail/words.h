// A jail's failures and ends in words for its user.
//
// Threads: pure. Failure: none.
#pragma once

#include <string>
#include <string_view>

#include "sandbox/base/result.h"
#include "sandbox/jail/plan.h"
#include "sandbox/jail/report.h"

namespace cellblock::sandbox::jail {

// What failed and what to try: looks at the host for the likely cause.
Error setup_error(const JailPlan& plan, const Failure& failure);

// How PID 1 ended. `text` is what the sandbox wrote, made harmless; may be empty.
std::string end_in_words(int wait_status, std::string_view text);

// Text from inside a sandbox: printable UTF-8 without control characters but
// newline, and not more than the last two thousand bytes.
std::string harmless(std::string_view text);

// Why this host refuses user namespaces to us, and what to do, if it says so.
std::string namespaces_remedy();

}  // namespace cellblock::sandbox::jail
