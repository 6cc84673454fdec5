// file_text: what can be read, and no exception. regular_file_text, secret_file_text: bounds. make_folders: a
// cache's folder, in a home that is there.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "sandbox/base/files.h"
#include "tests/unit/catch.h"
#include "tests/unit/folder.h"

using cellblock::sandbox::file_text;
using cellblock::sandbox::make_folders;
using cellblock::sandbox::regular_file_text;
using cellblock::sandbox::secret_file_text;

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

TEST_CASE("regular_file_text: a file up to its bound, and nothing that is no file") {
    const cellblock::tests::Folder folder;
    const std::string path = folder.path + "/file";
    const auto text_of = [&](const std::string& content) {
        std::ofstream(path) << content;
        return regular_file_text("read it", path, 1024);
    };
    CHECK(*text_of("") == "");
    CHECK(*text_of(std::string(1024, 'x')) == std::string(1024, 'x'));
    CHECK(text_of(std::string(1025, 'x')).error().text() == "read it: it is longer than 1 KiB");
    CHECK(regular_file_text("read it", "/nowhere", 1024).error().code == ENOENT);
    REQUIRE(::mkfifo((folder.path + "/fifo").c_str(), 0600) == 0);
    for (const auto& other : {std::string("/"), std::string("/dev/zero"), folder.path + "/fifo"}) {
        CHECK(regular_file_text("read it", other, 1024).error().text() ==
              "read it: it is not a regular file");
    }
}

TEST_CASE("secret_file_text: a file that nobody but its owner can read or change") {
    const cellblock::tests::Folder folder;
    const std::string path = folder.path + "/secret";
    std::ofstream(path) << "secret";
    for (const mode_t mode : {0600U, 0400U, 0700U}) {
        REQUIRE(::chmod(path.c_str(), mode) == 0);
        CHECK(*secret_file_text("read it", path, 1024) == "secret");
    }
    for (const mode_t mode : {0640U, 0620U, 0610U, 0604U, 0602U, 0601U, 0644U}) {
        REQUIRE(::chmod(path.c_str(), mode) == 0);
        CHECK(secret_file_text("read it", path, 1024).error().remedy == "chmod 600 " + path);
    }
}

TEST_CASE("make_folders: what is missing is made, up to so many, and a home that is gone stays so") {
    const cellblock::tests::Folder home;
    CHECK(make_folders(home.path + "/.cache/cellblock", 2));
    CHECK(make_folders(home.path + "/.cache/cellblock", 2));
    CHECK(make_folders(home.path + "/.cache/cellblock/fonts", 1));
    CHECK_FALSE(make_folders(home.path + "/gone/.cache/cellblock", 2));
    CHECK_FALSE(std::filesystem::exists(home.path + "/gone"));
}
