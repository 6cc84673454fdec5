// A copy of a host's folder inside: what `overlay` is on engines that have none.
//
// Purpose: cells may write to the copy, the host's folder stays as it is, and what is written vanishes with
// the sandbox. Links stay links; what is neither file, folder nor link is left out. Ownership: plain values.
// Threads: none of its own. Failure: an Error where there is more than may be copied, or the folder can't be
// read.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "sandbox/api/result.h"

namespace cellblock::sandbox::relay {

inline constexpr std::uint64_t kMostCopied = 64ULL << 20;
inline constexpr std::size_t kMostCopiedFiles = 10000;

// A folder of the host that cells get a copy of.
struct Copy {
    std::string host;
    std::string inside;              // below /work; empty: /work itself
    std::set<std::string> left_out;  // what of it isn't copied, by its path below `host`
};

// Adds entries for the far end: "copy/…", "run/…" (may be executed), "link/…", with paths below /work.
Status add_copies(const Copy& copy, std::uint64_t most, std::map<std::string, std::string>& entries);

}  // namespace cellblock::sandbox::relay
