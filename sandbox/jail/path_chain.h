// A path's symbolic links, one by one.
//
// Purpose: a jail has only some folders of the host, so the links that lead
// into them must exist inside too (uv and conda name a Python through several).
// Ownership: plain values. Threads: no shared state.
// Failure: an Error with errno for a missing or looping path.
#pragma once

#include <string>
#include <vector>

#include "sandbox/api/result.h"

namespace cellblock::sandbox::jail {

struct PathLink {
    std::string path;  // where the link lies, itself without links above it
    std::string text;  // what it says
};

struct PathChain {
    std::string real;             // the path without any link
    std::vector<PathLink> links;  // those that were followed
};

// `path` is absolute.
Result<PathChain> follow_links(const std::string& path);

// True if `path` is `folder` or lies inside it.
bool is_inside(const std::string& path, const std::string& folder);

}  // namespace cellblock::sandbox::jail
