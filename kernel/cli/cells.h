// A Python file or a notebook as cells.
// Purpose: `# %%` at the start of a line begins a cell, as in editors and
// Jupytext; a notebook's are those of its code. Ownership: plain values.
// Threads: no shared state. Failure: an Error for what is no notebook.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sandbox/api/result.h"

namespace cellblock::kernel {

// At least one cell; markers stay in their cell as comments, empty cells go.
std::vector<std::string> split_cells(std::string_view source);

// The code cells of a notebook of format 3 or 4, in its order; empty ones go.
sandbox::Result<std::vector<std::string>> notebook_cells(std::string_view text);

}  // namespace cellblock::kernel
