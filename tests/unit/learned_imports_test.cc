// What sessions import: read from cells' code, remembered for the next daemon.
#include <algorithm>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "sandbox/pool/learned_imports.h"
#include "sandbox/session/import_names.h"
#include "tests/unit/catch.h"
#include "tests/unit/folder.h"

namespace cellblock::sandbox::pool {
namespace {

using Names = std::vector<std::string>;
using cellblock::tests::Folder;

constexpr const char* kPython = "/usr/bin/python3";
std::int64_t the_day = 20000;

std::int64_t today() {
    return the_day;
}

}  // namespace

TEST_CASE("import statements are read from a cell's text") {
    CHECK(import_names("import pandas as pd, matplotlib.pyplot as plt; import os\n    import sys") ==
          Names{"pandas", "matplotlib.pyplot", "os", "sys"});
    CHECK(import_names("from sklearn.linear_model import Ridge, LinearRegression") ==
          Names{"sklearn.linear_model"});
    CHECK(import_names("from matplotlib import (pyplot as plt, cm)") ==
          Names{"matplotlib", "matplotlib.pyplot", "matplotlib.cm"});
    CHECK(import_names("from . import near\nfrom .a import b\nimport 1a, a..b, a.\nimportant = 1").empty());
    CHECK(import_names("x = 'import'\nprint(x)").empty());
    CHECK(import_names("import a, import").size() == 2);  // whoever imports that finds no such module
    CHECK(import_names("").empty());
    std::string many;
    for (int i = 0; i < 100; ++i) {
        many += "import m" + std::to_string(i) + "\n";
    }
    CHECK(import_names(many).size() == 32);
    CHECK(import_names("import " + std::string(129, 'a')).empty());
}

TEST_CASE("names that sessions import are there for the next daemon, the most frequent first") {
    const Folder folder;
    const std::string path = std::string(folder.path) + "/cache/imports.json";
    {
        LearnedImports learned(path, &today);
        learned.note(kPython, {"numpy", "pandas"});
        learned.note(kPython, {"pandas"});
        learned.note("/opt/python", {"torch"});
    }
    LearnedImports learned(path, &today);
    CHECK(learned.names_for(kPython) == Names{"pandas", "numpy"});
    CHECK(learned.names_for("/opt/python") == Names{"torch"});
    CHECK(learned.names_for("/usr/bin/other").empty());
    learned.drop(kPython, "pandas", "it leaves a thread");
    CHECK(LearnedImports(path, &today).names_for(kPython) == Names{"numpy"});
    CHECK(LearnedImports(path, &today).dropped(kPython).at("pandas") == "it leaves a thread");
    the_day += 8;
    CHECK(LearnedImports(path, &today).names_for(kPython) == Names{"pandas", "numpy"});
    the_day += 30;
    CHECK(LearnedImports(path, &today).names_for(kPython).empty());
}

TEST_CASE("after the clock was set back, a failed module is tried again and later names aren't displaced") {
    const Folder folder;
    const std::string path = std::string(folder.path) + "/imports.json";
    the_day += 3653;
    {
        LearnedImports learned(path, &today);
        for (int i = 0; i < 64; ++i) {
            learned.note(kPython, {"early" + std::to_string(i)});
        }
        learned.drop(kPython, "early0", "it failed");
    }
    the_day -= 3653;
    {
        LearnedImports learned(path, &today);
        CHECK(learned.names_for(kPython).size() == 32);
        the_day += 8;
        for (int i = 0; i < 3; ++i) {
            learned.note(kPython, {"late"});
        }
        CHECK(learned.names_for(kPython).front() == "late");
        CHECK(learned.dropped(kPython).empty());
    }
    the_day += 25;  // 33 days after the clock was set back
    CHECK(LearnedImports(path, &today).names_for(kPython) == Names{"late"});
}

TEST_CASE("however much is named, what is remembered has a bound") {
    LearnedImports learned({}, &today);
    for (int i = 0; i < 1000; ++i) {
        learned.note(kPython,
                     {"module" + std::to_string(i), "../evil", "a b", std::string(5000, 'x'), "", ".", "a."});
        learned.note("/python/" + std::to_string(i), {"numpy"});
        learned.note(kPython, {"numpy"});
    }
    const auto names = learned.names_for(kPython);
    CHECK(names.size() == 32);
    CHECK(names.front() == "numpy");
    CHECK(std::all_of(names.begin(), names.end(),
                      [](const std::string& name) { return name == "numpy" || name.starts_with("module"); }));
    int known = 0;
    for (int i = 0; i < 1000; ++i) {
        known += learned.names_for("/python/" + std::to_string(i)).empty() ? 0 : 1;
    }
    CHECK(known <= 16);
}

TEST_CASE("a file of imports that is no such file counts as none, and is written anew") {
    const Folder folder;
    const std::string path = std::string(folder.path) + "/imports.json";
    for (
        const char* text :
        {"", "{", "[]", R"({"version": 2, "pythons": {}})", R"({"version": 1, "pythons": []})",
         R"({"version": 1, "pythons": {"/usr/bin/python3": {"names": {"numpy": [-1, "x"], "a b": [1, 1]}}}})",
         R"({"version": 1, "pythons": {"/usr/bin/python3": {"names": [1], "dropped": 5}}})",
         R"({"version": 1, "pythons": {"/usr/bin/python3": 7}})"}) {
        std::ofstream(path) << text;
        LearnedImports learned(path, &today);
        CHECK(learned.names_for(kPython).empty());
        learned.note(kPython, {"numpy"});
        CHECK(LearnedImports(path, &today).names_for(kPython) == Names{"numpy"});
    }
}

}  // namespace cellblock::sandbox::pool
