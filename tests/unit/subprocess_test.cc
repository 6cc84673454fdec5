// Programs that are run for their output.
#include "sandbox/base/subprocess.h"

#include <fcntl.h>
#include <sys/time.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <string>

#include "sandbox/api/unique_fd.h"
#include "tests/unit/catch.h"

using namespace cellblock::sandbox;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

TEST_CASE("a command that closes its output and goes on is late, as one that says nothing") {
    for (const char* words : {"exec sleep 60", "exec >&- 2>&-; exec sleep 60", "echo a; exec sleep 60"}) {
        const auto begin = Clock::now();
        const auto told = output_of({"/bin/sh", "-c", words}, 300ms);
        CHECK_FALSE(told.ok());
        CHECK_THAT(told.error().text(), cellblock::tests::Contains("no answer in time"));
        CHECK(Clock::now() - begin < 30s);
    }
    CHECK(*output_of({"/bin/sh", "-c", "echo a"}, 30s) == "a\n");
}

TEST_CASE("a signal while a command is waited for is no answer of it") {
    struct sigaction heard {};
    struct sigaction before {};
    heard.sa_handler = [](int) {};
    REQUIRE(::sigaction(SIGALRM, &heard, &before) == 0);
    const itimerval once{{0, 0}, {0, 400'000}};
    REQUIRE(::setitimer(ITIMER_REAL, &once, nullptr) == 0);
    const auto begin = Clock::now();
    CHECK_FALSE(output_of({"/bin/sh", "-c", "echo a; exec sleep 60"}, 800ms).ok());
    CHECK(Clock::now() - begin < 30s);
    ::sigaction(SIGALRM, &before, nullptr);
}

TEST_CASE("program: output and exit status come back") {
    auto output = run_subprocess({.argv = {"/bin/sh", "-c", "echo out; echo err >&2; exit 3"},
                                  .time_limit = std::chrono::seconds(20),
                                  .joined = true});
    REQUIRE(output.ok());
    CHECK(output->exit_status == 3);
    CHECK(output->output == "out\nerr\n");
}

TEST_CASE("program: one that never ends is stopped, with its children") {
    auto output = run_subprocess(
        {.argv = {"/bin/sh", "-c", "sleep 100 & sleep 100"}, .time_limit = std::chrono::milliseconds(200)});
    REQUIRE_FALSE(output.ok());
    CHECK(output.error().message == "took too long");
}

TEST_CASE("program: too much output, and a program that isn't there, are errors") {
    CHECK(run_subprocess({.argv = {"/bin/sh", "-c", "cat /dev/zero"}, .time_limit = std::chrono::seconds(20)})
              .error()
              .message == "printed too much");
    CHECK_FALSE(
        run_subprocess({.argv = {"/nonexistent/program"}, .time_limit = std::chrono::seconds(20)}).ok());
}

TEST_CASE("program: separate outputs stay apart, and surplus output is cut where that is wanted") {
    auto told = run_subprocess({.argv = {"sh", "-c", "echo out; echo err >&2"}, .time_limit = 20s});
    REQUIRE(told.ok());
    CHECK(told->exit_status == 0);
    CHECK(told->output == "out\n");
    CHECK(told->errors == "err\n");
    auto cut = run_subprocess({.argv = {"/bin/sh", "-c", "head -c 100000 /dev/zero; kill -9 $$"},
                               .time_limit = 20s,
                               .output_limit = 1000,
                               .cuts_output = true});
    REQUIRE(cut.ok());
    CHECK(cut->output.size() == 1000);
    CHECK(cut->exit_status == 128 + SIGKILL);
}

TEST_CASE("program: a status other than 0 is an error with what the program wrote") {
    CHECK(output_of({"/bin/sh", "-c", "echo no >&2; exit 1"}, 20s).error().text() == "/bin/sh: no");
    CHECK_THAT(output_of({"/nonexistent/program"}, 20s).error().text(),
               cellblock::tests::Contains("can't run /nonexistent/program (No such file"));
}

TEST_CASE("a program whose end can't be told, because SIGCHLD is ignored, is no success") {
    auto* const before = std::signal(SIGCHLD, SIG_IGN);
    const auto told = run_subprocess({.argv = {"/bin/sh", "-c", "exit 3"}, .time_limit = 20s});
    std::signal(SIGCHLD, before);
    REQUIRE_FALSE(told.ok());
    CHECK_THAT(told.error().text(), cellblock::tests::Contains("SIGCHLD"));
}

TEST_CASE("subprocess: the table of descriptors is large before it is needed, and none stays open") {
    const auto next_number = [] { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)).get(); };
    const int before = next_number();
    grow_descriptor_table();
    REQUIRE(next_number() == before);
    std::ifstream status("/proc/self/status");
    std::string line;
    while (std::getline(status, line) && !line.starts_with("FDSize:")) {
    }
    REQUIRE(std::stoi(line.substr(line.find(':') + 1)) >= 1024);
}
