// Files as cells.
#include "kernel/commands/cells.h"

#include <catch2/catch.hpp>

using cellblock::kernel::split_cells;
using Cells = std::vector<std::string>;

TEST_CASE("a file without markers is one cell") {
    REQUIRE(split_cells("a = 1\nprint(a)\n") == Cells{"a = 1\nprint(a)\n"});
    REQUIRE(split_cells("") == Cells{""});
}

TEST_CASE("a cell begins at # %%, with or without a title or a space") {
    REQUIRE(split_cells("# %%\na\n# %% title\nb\n#%%\nc") == Cells{"# %%\na\n", "# %% title\nb\n", "#%%\nc"});
}

TEST_CASE("cells with nothing but markers go") {
    REQUIRE(split_cells("# %%\n\n# %%\nx\n") == Cells{"# %%\nx\n"});
}

TEST_CASE("a marker that is indented or inside of a line is none") {
    REQUIRE(split_cells("s = '# %%'\n  # %%\nx").size() == 1);
}
