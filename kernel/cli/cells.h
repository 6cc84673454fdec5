// Splits a Python file or a notebook into cells.
//
// Purpose: a line that begins with `# %%` begins a cell, as in editors and Jupytext; a notebook's cells are
// its code cells. Plain values without shared state. Failure: an Error for a text that is no notebook.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sandbox/api/result.h"

namespace cellblock::kernel {

// The cells of a Python file, at least one. A marker stays in its cell as a comment; empty cells are left
// out.
std::vector<std::string> split_cells(std::string_view source);

// The code cells of a notebook of format 3 or 4, in its order; empty cells are left out.
sandbox::Result<std::vector<std::string>> notebook_cells(std::string_view text);

}  // namespace cellblock::kernel
