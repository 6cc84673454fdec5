// Files as cells.
#include "kernel/cli/cells.h"
#include "tests/unit/catch.h"

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

TEST_CASE("a notebook's code cells, of both formats, and nothing else") {
    const auto cells = cellblock::kernel::notebook_cells(R"({"nbformat": 4, "cells": [
        {"cell_type": "code", "source": ["a = 1\n", "a"]}, {"cell_type": "markdown", "source": "no"}, 7,
        {"cell_type": "code", "source": " \n"}, {"cell_type": "code"}, {"cell_type": "code", "source": 5},
        {"cell_type": ["code"], "source": "no"}, {"cell_type": "code", "source": "b"}]})");
    REQUIRE(cells.ok());
    CHECK(*cells == std::vector<std::string>{"a = 1\na", "b"});
    const auto older = cellblock::kernel::notebook_cells(
        R"({"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": ["c"]}]}, []]})");
    REQUIRE(older.ok());
    CHECK(*older == std::vector<std::string>{"c"});
    CHECK(cellblock::kernel::notebook_cells(R"({"nbformat": 4})")->size() == 1);
    for (const std::string& text : {std::string(), std::string("[]"), std::string("{}"),
                                    std::string("{\"nbformat\": \"4\"}"), std::string(100000, '[')}) {
        CHECK_FALSE(cellblock::kernel::notebook_cells(text).ok());
    }
}
