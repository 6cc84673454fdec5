// file_text: what can be read, and no exception. make_folders: a cache's folder, in a home that is there.
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "sandbox/base/files.h"
#include "tests/unit/catch.h"
#include "tests/unit/folder.h"

using cellblock::sandbox::file_text;
using cellblock::sandbox::make_folders;

TEST_CASE("file_text: a file that isn't there, a folder and a process that is gone are empty") {
    CHECK(file_text("/nowhere").empty());
    CHECK(file_text("/").empty());
    const pid_t child = ::fork();
    if (child == 0) {
        ::_exit(0);
    }
    CHECK_FALSE(file_text("/proc/" + std::to_string(child) + "/stat").empty());
    ::waitpid(child, nullptr, 0);
    CHECK(file_text("/proc/" + std::to_string(child) + "/stat").empty());
    CHECK(file_text("/proc/self/comm").size() > 1);
}

TEST_CASE("make_folders: what is missing is made, up to so many, and a home that is gone stays so") {
    const cellblock::tests::Folder home;
    CHECK(make_folders(home.path + "/.cache/cellblock", 2));
    CHECK(make_folders(home.path + "/.cache/cellblock", 2));
    CHECK(make_folders(home.path + "/.cache/cellblock/fonts", 1));
    CHECK_FALSE(make_folders(home.path + "/gone/.cache/cellblock", 2));
    CHECK_FALSE(std::filesystem::exists(home.path + "/gone"));
}
