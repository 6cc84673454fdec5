// What takes its time holds up no loop: the ends of sandboxes and commands, attempts that fail on and on.
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "sandbox/base/background.h"
#include "sandbox/base/files.h"
#include "sandbox/base/subprocess.h"
#include "sandbox/base/text.h"
#include "sandbox/engines/relayed_sandbox.h"
#include "sandbox/jail/cgroup_folders.h"
#include "sandbox/jail/no_namespaces.h"
#include "sandbox/jail/python_home.h"
#include "sandbox/jail/report.h"
#include "sandbox/jail/spawn.h"
#include "sandbox/packages/package_folder.h"
#include "sandbox/pool/zygote.h"
#include "tests/unit/catch.h"
#include "tests/unit/folder.h"

using namespace cellblock::sandbox;
using cellblock::tests::Folder;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

// Stands for a relay that takes its time to clear away.
std::unique_ptr<RelayedSandbox> slow_relay(pid_t& pid) {
    std::array<int, 2> control{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control.data()) == 0);
    pid = ::fork();
    if (pid == 0) {
        ::close(control[0]);
        char none = 0;
        while (::recv(control[1], &none, 1, 0) < 0 && errno == EINTR) {
        }
        std::this_thread::sleep_for(1s);
        ::_exit(0);
    }
    ::close(control[1]);
    relay::RelayProcess process;
    process.pid = pid;
    process.control.reset(control[0]);
    process.handle.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    return std::make_unique<RelayedSandbox>(std::move(process), relay::Spec(), jail::Cgroup(),
                                            RelayedFacts());
}

}  // namespace

TEST_CASE("work is done beside who gives it, and all of it at the end") {
    std::atomic<int> done = 0;
    std::atomic<bool> goes_on = false;
    for (int i = 0; i < 5; ++i) {
        run_in_background([&] {
            while (!goes_on) {
                std::this_thread::sleep_for(1ms);
            }
            sigset_t mask;
            ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
            done += ::sigismember(&mask, SIGTERM);
        });
    }
    CHECK(done == 0);
    goes_on = true;
    finish_background_work();
    CHECK(done == 5);
    CHECK_FALSE(is_finishing());
}

TEST_CASE("nobody waits for a relay that clears away, and it leaves no zombie") {
    pid_t pid = -1;
    auto sandbox = slow_relay(pid);
    const auto begin = Clock::now();
    sandbox.reset();
    CHECK(Clock::now() - begin < 900ms);
    CHECK(::kill(pid, 0) == 0);
    finish_background_work();
    CHECK(::waitpid(pid, nullptr, WNOHANG) == -1);
    CHECK(errno == ECHILD);
}

TEST_CASE("a session's package folder is locked until it is gone") {
    const Folder home;
    ::setenv("XDG_CACHE_HOME", home.path.c_str(), 1);
    auto store = PackageStore::open();
    REQUIRE(store);
    std::atomic<bool> begins = false;
    std::atomic<bool> was_there = false;
    std::thread other;
    {
        auto folder = PackageFolder::open(*store, "name");
        REQUIRE(folder);
        const std::string path = fs::path(folder->seen()).parent_path();
        for (int i = 0; i < 2000; ++i) {
            std::ofstream(folder->seen() + "/" + std::to_string(i)) << i;
        }
        const int lock = ::open((path + "/lock").c_str(), O_RDONLY | O_CLOEXEC);
        REQUIRE(::flock(lock, LOCK_EX | LOCK_NB) != 0);
        other = std::thread([&begins, &was_there, path, lock] {
            begins = true;
            ::flock(lock, LOCK_EX);
            was_there = fs::exists(path);
            ::close(lock);
        });
        while (!begins) {
            std::this_thread::sleep_for(1ms);
        }
        std::this_thread::sleep_for(20ms);
    }
    other.join();
    ::unsetenv("XDG_CACHE_HOME");
    CHECK_FALSE(was_there);
}

TEST_CASE("without namespaces a supervisor leaves with what became of its jail, and removes its folder") {
    const Folder worker;
    const auto python = jail::find_python("/usr/bin/python3");
    if (!python) {
        WARN("skipped: no /usr/bin/python3");
        return;
    }
    // A warden leaves with 0 when the host has closed its socket, and with another status of itself.
    const auto [program, how] = GENERATE(std::pair<const char*, int>("/usr/bin/true", jail::kLeftAlive),
                                         std::pair<const char*, int>("/usr/bin/false", jail::kLeftEnded));
    jail::JailPlan plan;
    REQUIRE(jail::plan_without_namespaces(plan, builtin_policy(), {worker.path}, *python,
                                          {worker.path, worker.path})
                .ok());
    plan.filter_options = {false, false, plan.identity.privileged, false};
    REQUIRE(jail::complete_filter(plan).ok());
    plan.arguments = {program};
    plan.argv = pointers(plan.arguments);
    plan.envp = pointers(plan.environment);
    REQUIRE(fs::exists(plan.box));
    auto spawned = jail::spawn_jail(plan);
    REQUIRE(spawned.ok());
    jail::Report report;
    REQUIRE(::recv(spawned->control.get(), &report, sizeof report, 0) == sizeof report);
    spawned->control.reset();
    int status = 0;
    REQUIRE(::waitpid(spawned->supervisor, &status, 0) == spawned->supervisor);
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == (report.kind == jail::ReportKind::ended ? how : jail::kLeftUnmade));
    CHECK_FALSE(fs::exists(plan.box));
}

TEST_CASE("what a control group hands on is found out by looking") {
    const Folder group;
    const auto write = [&](const char* name, const char* text) {
        std::ofstream(group.path + "/" + name) << text;
    };
    write("cgroup.controllers", "cpu memory pids\n");
    write("cgroup.subtree_control", "cpu\n");
    write("cgroup.procs", "");
    write("cgroup.type", "domain\n");
    CHECK(jail::hands_on_already(group.path, "cpu"));
    CHECK_FALSE(jail::hands_on_already(group.path, "memory"));
    CHECK(jail::would_hand_on(group.path, "memory"));
    CHECK_FALSE(jail::would_hand_on(group.path, "io"));
    write("cgroup.procs", "7\n");  // no group with processes does
    CHECK(jail::would_hand_on(group.path, "cpu"));
    CHECK_FALSE(jail::would_hand_on(group.path, "memory"));
    fs::remove(group.path + "/cgroup.type");  // but the root
    CHECK(jail::would_hand_on(group.path, "memory"));
    CHECK(file_text(group.path + "/cgroup.subtree_control") == "cpu\n");
}

TEST_CASE("a warm Python that can't be had is tried ever more rarely") {
    CHECK(pool::pause_after(1, false) == 60s);
    CHECK(pool::pause_after(2, false) == 120s);
    CHECK(pool::pause_after(1, true) == 0s);
    CHECK(pool::pause_after(2, true) == 60s);
    for (int failures = 1; failures < 200; ++failures) {
        CHECK(pool::pause_after(failures + 1, false) >= pool::pause_after(failures, false));
        CHECK(pool::pause_after(failures, false) <= 3600s);
    }
    CHECK(pool::pause_after(200, false) == 3600s);
}
