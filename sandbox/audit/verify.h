// A check that an audit log is as it was written.
//
// Purpose: finds a line that was changed, removed, added or moved. What it can't
// see is that lines are missing at the end: for that a digest is kept elsewhere
// and given as `head`.
// Ownership: plain values. Threads: no shared state. Failure: an Error where
// the file can't be read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/api/result.h"

namespace cellblock::sandbox {

struct AuditFinding {
    std::uint64_t line = 0;  // from 1
    std::string what;
};

struct AuditVerdict {
    std::uint64_t lines = 0;
    std::string head;                    // the digest of the last line
    std::vector<AuditFinding> findings;  // at most 100
};

// `head`: a digest that some line must have; empty: none.
Result<AuditVerdict> verify_audit(const std::string& path, const std::string& head);

}  // namespace cellblock::sandbox
