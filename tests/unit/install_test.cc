// The kernelspec's text, its folder, and how it is written.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "kernel/cli/kernelspec.h"
#include "tests/unit/catch.h"
#include "tests/unit/folder.h"

using namespace cellblock::kernel;
using cellblock::tests::Folder;
namespace fs = std::filesystem;

namespace {

std::string content(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace

TEST_CASE("install: the kernelspec has what Jupyter needs") {
    const auto spec = nlohmann::json::parse(kernelspec_text(
        Kernelspec{"/opt/cellblock", "Python \"x\"", "/p/mine.json", "/opt/venv/bin/python"}));
    CHECK(spec["argv"] == nlohmann::json{"/opt/cellblock", "kernel", "-f", "{connection_file}", "--policy",
                                         "/p/mine.json", "--python", "/opt/venv/bin/python"});
    CHECK(spec["display_name"] == "Python \"x\"");
    CHECK(spec["language"] == "python");
    CHECK(spec["interrupt_mode"] == "message");
    CHECK(spec["kernel_protocol_version"] == "5.3");
    CHECK(spec["metadata"]["debugger"] == false);
    CHECK(spec["metadata"]["supported_encryption"] == nlohmann::json{"curve"});
}

TEST_CASE("install: a kernel's name is Jupyter's, without path tricks") {
    CHECK(is_kernel_name("cellblock"));
    CHECK(is_kernel_name("python3"));
    CHECK(is_kernel_name("My-kernel_1.2"));
    for (const char* bad : {"", ".", "..", "../x", "a/b", "a b", "-x", ".x", "ü"}) {
        INFO(bad);
        CHECK_FALSE(is_kernel_name(bad));
    }
}

TEST_CASE("install: the user's folder is the one that Jupyter looks into") {
    CHECK(user_kernels_folder({false, "/home/a", "", ""}).value() == "/home/a/.local/share/jupyter/kernels");
    CHECK(user_kernels_folder({false, "/home/a", "", "/x"}).value() == "/x/jupyter/kernels");
    CHECK(user_kernels_folder({false, "/home/a", "/j", "/x"}).value() == "/j/kernels");
    CHECK_FALSE(user_kernels_folder({false, "", "", ""}).ok());
    CHECK(kernels_folder_of("/opt/env/") == "/opt/env/share/jupyter/kernels");
}

TEST_CASE("install: files are replaced as a whole, readable for all, with nothing left beside them") {
    const Folder folder;
    const auto target = fs::path(folder.path) / "kernels" / "cellblock";
    REQUIRE(write_spec(target.string(), {{"kernel.json", "old"}, {"logo.png", "x"}}).ok());
    REQUIRE(write_spec(target.string(), {{"kernel.json", "new"}}).ok());
    CHECK(content(target / "kernel.json") == "new");
    CHECK(content(target / "logo.png") == "x");
    CHECK(std::distance(fs::directory_iterator(target), fs::directory_iterator()) == 2);
    CHECK((fs::status(target / "kernel.json").permissions() & fs::perms::others_read) != fs::perms::none);
}

TEST_CASE("install: a target that can't be written says so and what to try") {
    const Folder folder;
    std::ofstream(fs::path(folder.path) / "file") << "x";
    auto done = write_spec((fs::path(folder.path) / "file" / "cellblock").string(), {{"kernel.json", "x"}});
    REQUIRE_FALSE(done.ok());
    CHECK(done.error().text().find("--user") != std::string::npos);
}
