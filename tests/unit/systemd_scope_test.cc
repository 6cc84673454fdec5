// Asking systemd for a scope, on a bus of the test's own where tests/support/fake_systemd.py answers. What
// the real one does with such a request is nothing that a unit test can show.
#include "sandbox/jail/systemd_scope.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "sandbox/base/files.h"
#include "sandbox/base/subprocess.h"
#include "sandbox/base/text.h"
#include "sandbox/jail/own_scope.h"
#include "tests/unit/catch.h"
#include "tests/unit/folder.h"

using namespace cellblock::sandbox;
using namespace cellblock::sandbox::jail;
using namespace std::chrono_literals;
using cellblock::tests::Contains;
using cellblock::tests::Folder;

namespace {

constexpr const char* kAddress = "DBUS_SESSION_BUS_ADDRESS";
constexpr auto kLong = 20s;

// A process that ends with its object; its standard output goes to a file.
class Program {
public:
    Program(std::vector<std::string> argv, const std::string& output) : output_(output) {
        const auto words = pointers(argv);
        pid_ = ::fork();
        if (pid_ == 0) {
            if (std::freopen(output.c_str(), "w", stdout) && std::freopen("/dev/null", "w", stderr)) {
                ::execvp(words[0], words.data());
            }
            ::_exit(127);
        }
    }
    ~Program() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    [[nodiscard]] std::string output() const { return file_text(output_); }
    [[nodiscard]] bool says(const std::string& word) const {
        for (int i = 0; i < 2000 && output().find(word) == std::string::npos; ++i) {
            std::this_thread::sleep_for(10ms);
        }
        return output().find(word) != std::string::npos;
    }

private:
    std::string output_;
    pid_t pid_ = -1;
};

// The variable as it is, and as it was again at the end.
class Environment {
public:
    explicit Environment(const char* name) : name_(name) {
        if (const char* value = std::getenv(name); value != nullptr) {
            before_ = value;
        }
    }
    ~Environment() { before_ ? ::setenv(name_, before_->c_str(), 1) : ::unsetenv(name_); }
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;

private:
    const char* name_;
    std::optional<std::string> before_;
};

// A bus, and on it a systemd that answers in that way; without a mode there is none.
class Bus {
public:
    explicit Bus(const std::string& mode) {
        const std::string address = "unix:path=" + (folder_ / "bus");
        const auto config = folder_.file(
            "bus.conf", "<busconfig><type>session</type><listen>" + address +
                            "</listen><auth>EXTERNAL</auth><policy context=\"default\"><allow "
                            "send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/>"
                            "<allow own=\"*\"/></policy></busconfig>");
        daemon_.emplace(
            std::vector<std::string>{"dbus-daemon", "--config-file=" + config, "--nofork", "--nopidfile"},
            folder_ / "daemon");
        for (int i = 0; i < 2000 && !std::filesystem::exists(folder_ / "bus"); ++i) {
            std::this_thread::sleep_for(10ms);
        }
        ::setenv(kAddress, address.c_str(), 1);
        if (!mode.empty()) {
            systemd_.emplace(std::vector<std::string>{"/usr/bin/python3",
                                                      CELLBLOCK_TESTS_SUPPORT "/fake_systemd.py", mode},
                             folder_ / "systemd");
            CHECK(systemd_->says("ready"));
        }
    }

    // The request that it got.
    [[nodiscard]] nlohmann::json asked() const {
        CHECK(systemd_->says("\n{"));
        const std::string all = systemd_->output();
        return nlohmann::json::parse(all.substr(all.find("\n{")), nullptr, false);
    }

private:
    Folder folder_;
    std::optional<Program> daemon_;
    std::optional<Program> systemd_;
};

bool can_have_a_bus() {
    static const bool can = [] {
        const bool has = output_of({"dbus-daemon", "--version"}, kLong).ok() &&
                         output_of({"/usr/bin/python3", "-c", "import dbus, gi"}, kLong).ok();
        if (!has) {
            WARN("skipped: it needs dbus-daemon, python3-dbus and python3-gi");
        }
        return has;
    }();
    return can;
}

ScopeOrder order(std::chrono::milliseconds patience = kLong) {
    return {Systemd::user, "cellblock-1-unit.scope", "jupyter.service", patience};
}

}  // namespace

TEST_CASE("systemd is asked for a delegated scope of this process alone, and its job is waited for") {
    const Environment kept(kAddress);
    if (!can_have_a_bus()) {
        return;
    }
    const Bus bus("done");
    const auto moved = move_to_scope(order());
    CHECK((moved.ok() ? "" : moved.error().text()) == "");
    const auto asked = bus.asked();
    CHECK(asked["name"] == "cellblock-1-unit.scope");
    CHECK(asked["mode"] == "fail");
    CHECK(asked["others"] == 0);
    const auto& properties = asked["properties"];
    CHECK(properties["PIDs"] == nlohmann::json{::getpid()});
    CHECK(properties["DelegateControllers"] == nlohmann::json{"cpu", "memory", "pids"});
    CHECK(properties["CollectMode"] == "inactive-or-failed");
    CHECK(properties["BindsTo"] == nlohmann::json{"jupyter.service"});
    CHECK(properties["Description"] == "Sandboxes of cellblock, process " + std::to_string(::getpid()));
    CHECK(properties.size() == 6);
}

TEST_CASE("a systemd that refuses, fails or talks rubbish is an error with its words") {
    const Environment kept(kAddress);
    if (!can_have_a_bus()) {
        return;
    }
    const std::vector<std::pair<std::string, std::string>> answers{
        {"refusal", "Not today.?[31m"},
        {"failed", "its job ended as \"failed\""},
        {"rubbish", "its answer can't be read"},
        {"", "org.freedesktop.systemd1"},
    };
    for (const auto& [mode, words] : answers) {
        const Bus bus(mode);
        const auto moved = move_to_scope(order());
        REQUIRE_FALSE(moved.ok());
        CHECK_THAT(moved.error().text(), Contains(words));
    }
}

TEST_CASE("a systemd that says nothing is waited for as long as was said") {
    const Environment kept(kAddress);
    if (!can_have_a_bus()) {
        return;
    }
    const Bus bus("silence");
    const auto begin = std::chrono::steady_clock::now();
    const auto moved = move_to_scope(order(300ms));
    REQUIRE_FALSE(moved.ok());
    CHECK_THAT(moved.error().text(), Contains("no answer within 300 ms"));
    CHECK(std::chrono::steady_clock::now() - begin < 10s);
}

TEST_CASE("a bus that lets nobody in, or isn't there, holds nobody up") {
    const Environment kept(kAddress);
    const Folder folder;
    const std::string path = folder / "bus";
    ::setenv(kAddress, ("unix:path=" + path).c_str(), 1);
    CHECK_FALSE(move_to_scope(order()).ok());

    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    const UniqueFd mute(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::bind(mute.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(mute.get(), 1) == 0);
    const auto begin = std::chrono::steady_clock::now();
    CHECK_FALSE(move_to_scope(order(300ms)).ok());
    CHECK(std::chrono::steady_clock::now() - begin < 10s);

    ::setenv(kAddress, "nonsense", 1);
    CHECK_FALSE(move_to_scope(order()).ok());
}

TEST_CASE("where systemd isn't the first process nobody is asked, and the control group counts as it is") {
    if (systemd_runs()) {
        WARN("skipped: systemd runs here");
        return;
    }
    CHECK_FALSE(belongs_to_scope());
    CHECK_FALSE(enter_own_scope().ok());
    CHECK(cgroup_facts(false) == file_text("/proc/self/cgroup"));
    CHECK(cgroup_facts(true).find(file_text("/proc/self/cgroup")) == std::string::npos);
}
