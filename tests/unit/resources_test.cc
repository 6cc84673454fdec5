// Where the files of an installed cellblock are looked for.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "sandbox/api/program.h"
#include "sandbox/base/resources.h"
#include "tests/unit/catch.h"

using namespace cellblock::sandbox;
namespace fs = std::filesystem;

namespace {

// An installed copy that has a worker and no policies.
struct Installed {
    Installed() : prefix(fs::temp_directory_path() / ("resources-" + std::to_string(::getpid()))) {
        fs::create_directories(prefix / "bin");
        fs::create_directories(prefix / "share/cellblock/python");
        std::ofstream(program()) << "a program";
    }
    ~Installed() {
        use_program("");
        ::unsetenv("CELLBLOCK_PROGRAM");
        fs::remove_all(prefix);
    }
    Installed(const Installed&) = delete;
    Installed& operator=(const Installed&) = delete;

    [[nodiscard]] std::string program() const { return prefix / "bin/cellblock"; }

    fs::path prefix;
};

}  // namespace

TEST_CASE("an embedding program names the installed program whose files are used", "[resources]") {
    const Installed installed;
    use_program(installed.program());
    CHECK(python_directory().value() == (installed.prefix / "share/cellblock/python").string());
    CHECK(cellblock_program().value() == installed.program());
}

TEST_CASE("the environment names it where no files lie beside the program", "[resources]") {
    const Installed installed;
    ::setenv("CELLBLOCK_PROGRAM", installed.program().c_str(), 1);
    CHECK(cellblock_program().value() == installed.program());
    use_program("/nowhere/cellblock");  // what the program itself says counts more
    CHECK_FALSE(cellblock_program());
}

TEST_CASE("an installed program that is gone, or lacks a file, is an error that says what to do",
          "[resources]") {
    const Installed installed;
    use_program("/nowhere/cellblock");
    CHECK(python_directory().error().text().find("/nowhere/cellblock") != std::string::npos);
    CHECK(python_directory().error().remedy.find("use_program()") != std::string::npos);
    use_program(installed.program());
    CHECK(policies_directory().error().message.find(installed.program()) != std::string::npos);
}
