// A Python file as cells.
// Purpose: `# %%` at the start of a line begins a cell, as in editors and
// Jupytext. Ownership: plain values. Threads: no shared state. Failure: none.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cellblock::kernel {

// At least one cell; markers stay in their cell as comments, empty cells go.
std::vector<std::string> split_cells(std::string_view source);

}  // namespace cellblock::kernel
