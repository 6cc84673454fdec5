// Which names of files are kept: patterns, and names of what could run on the host later.
//
// Purpose: a file that a cell has written lies in a user's folder afterwards, where a shell, Python, make,
// npm or Jupyter may take it for their own. So a file of such a name is kept only where a pattern names that
// kind ("*.py", "Makefile"), not where one happens to match it ("*", "*.json" for package.json). Threads:
// pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cellblock::sandbox {

// "*" stands for any bytes, "?" for one; ASCII letters match without regard to case.
bool matches_pattern(std::string_view pattern, std::string_view name);
// Tells whether a file or folder of that name may be run by something on the host: scripts, notebooks,
// programs, pickles, names that begin with a dot, what build tools and package managers read. A pattern
// counts as a name:
// "*.py" is such a one, "*" isn't.
bool could_run_later(std::string_view name);
// `name`: without a folder.
bool is_kept(const std::vector<std::string>& patterns, std::string_view name);
// The patterns of a `keep` that names none: formats of data, documents and pictures.
const std::vector<std::string>& usual_patterns();

}  // namespace cellblock::sandbox
