// Whose files may be imported outside of a sandbox.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "sandbox/pool/trust.h"
#include "tests/unit/catch.h"
#include "tests/unit/folder.h"

namespace cellblock::sandbox::pool {

namespace {

constexpr gid_t kGroupOfNobodyKnown = 54321;

// A Python's prefix in a folder of its own, with all that a spec names.
class Prefix {
public:
    Prefix() {
        folder = above + "/python";
        std::filesystem::create_directories(folder + "/zygote");
        for (const char* file : {"/python3", "/zygote/main.py", "/library.so"}) {
            std::ofstream(folder + file) << "";
        }
        spec.program = folder + "/python3";
        spec.prefixes = {folder};
        spec.worker = folder;
        spec.library = folder + "/library.so";
    }

    tests::Folder outer;
    const std::string& above = outer.path;
    std::string folder;
    ZygoteSpec spec;
};

}  // namespace

TEST_CASE("a Python that only its user may change is trusted, one that all may change isn't") {
    const Prefix prefix;
    CHECK(is_trusted(prefix.spec).ok());
    for (const mode_t mode : {0777U, 01777U}) {  // others could add a module to a sticky folder
        ::chmod(prefix.folder.c_str(), mode);
        const auto told = is_trusted(prefix.spec);
        REQUIRE_FALSE(told.ok());
        CHECK(told.error().text().find("others may change " + prefix.folder) != std::string::npos);
        CHECK(told.error().text().find("chmod go-w " + prefix.folder) != std::string::npos);
    }
    ::chmod(prefix.folder.c_str(), 0755);
    ::chmod(prefix.above.c_str(), 01777);  // but not replace a folder in it
    CHECK(is_trusted(prefix.spec).ok());
    ::chmod(prefix.spec.program.c_str(), 0757);
    CHECK_FALSE(is_trusted(prefix.spec).ok());
}

TEST_CASE("a group that may change a Python must have no other member") {
    if (::geteuid() != 0) {
        WARN("skipped: only root gives files to other groups");
        return;
    }
    const auto groups = groups_of_nobody_else();
    for (const bool is_folder : {true, false}) {
        const Prefix prefix;
        const std::string path = is_folder ? prefix.folder : prefix.spec.library;
        const mode_t mode = is_folder ? 02775 : 0664;
        REQUIRE(::chown(path.c_str(), 0, kGroupOfNobodyKnown) == 0);
        ::chmod(path.c_str(), mode);
        CHECK_FALSE(is_trusted(prefix.spec).ok());
        ::chmod(path.c_str(), mode & ~020U);
        CHECK(is_trusted(prefix.spec).ok());
        for (const gid_t group : groups) {
            REQUIRE(::chown(path.c_str(), 0, group) == 0);
            ::chmod(path.c_str(), mode);
            CHECK(is_trusted(prefix.spec).ok());
        }
    }
    const Prefix prefix;
    REQUIRE(::chown(prefix.above.c_str(), 0, kGroupOfNobodyKnown) == 0);
    ::chmod(prefix.above.c_str(), 0775);
    CHECK_FALSE(is_trusted(prefix.spec).ok());
}

TEST_CASE("another user's own group isn't one of nobody else") {
    const auto groups = groups_of_nobody_else();
    const auto has = [&](gid_t group) {
        return std::find(groups.begin(), groups.end(), group) != groups.end();
    };
    std::ifstream users("/etc/passwd");
    for (std::string name, password, user, group, rest;
         std::getline(users, name, ':') && std::getline(users, password, ':') &&
         std::getline(users, user, ':') && std::getline(users, group, ':') && std::getline(users, rest);) {
        if (std::stoul(user) != 0 && std::stoul(user) != ::geteuid()) {
            INFO(name);
            CHECK_FALSE(has(static_cast<gid_t>(std::stoul(group))));
        }
    }
}

}  // namespace cellblock::sandbox::pool
