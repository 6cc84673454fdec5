// file_text: what can be read, and no exception.
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/files.h"
#include "tests/unit/catch.h"

using cellblock::sandbox::file_text;

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
