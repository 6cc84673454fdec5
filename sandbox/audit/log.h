// The audit log: one line of JSON for each cell, each command and each connection, each with the digest of
// the line before.
//
// Purpose: what ran, under which policy, and how it ended, in a file that shows
// if it was changed. Several programs may share one file: a line is added under
// a lock. It is on the disk before the cell's end is told.
// Ownership: the file is opened for each line, so that it may be moved away in
// between. Threads: one for each log.
// Failure: an Error that names the key; the Session then runs no code.
#pragma once

#include <string>
#include <string_view>

#include "sandbox/api/policy.h"
#include "sandbox/api/result.h"
#include "sandbox/api/types.h"

namespace cellblock::sandbox {

// "0" × 64: what the first line has for the digest of the line before.
constexpr std::string_view kNoLineBefore = "0000000000000000000000000000000000000000000000000000000000000000";
constexpr std::size_t kLongestAuditLine = 16U << 10;

// A command that ran.
struct CommandReport {
    std::string digest;     // of its argv, as a JSON array of strings
    std::size_t bytes = 0;  // of that text
    double wall_seconds = 0;
    std::uint64_t output_bytes = 0;
};

class AuditLog {
public:
    // The log is off where the policy's `audit` is empty.
    explicit AuditLog(const Policy& policy);

    [[nodiscard]] bool on() const { return !path_.empty(); }
    // Before a cell or command: creates the file if needed. Error: the file isn't ours, or has no room for a
    // line.
    [[nodiscard]] Status prepare() const;
    // After the cell: adds its line. `code`: as the client sent it.
    [[nodiscard]] Status append(const std::string& code_digest, std::size_t code_bytes,
                                const Outcome& outcome, bool cut) const;
    // After a command: adds its line.
    [[nodiscard]] Status append(const CommandReport& report, const CommandDone& done) const;
    // A line for a connection of a cell's that has ended or was refused. `left_out`: how many before it have
    // none, since there were too many at a time.
    [[nodiscard]] Status append(const ConnectionReport& report, std::uint64_t left_out) const;

private:
    template <class Record>
    [[nodiscard]] Status add(Record record) const;

    std::string path_;
    std::string policy_name_;
    std::string policy_digest_;
    std::string session_;  // random; the same in all lines of one session
};

}  // namespace cellblock::sandbox
