// Layers by name, what a policy requires of them, and Landlock by itself.
#include "sandbox/api/layers.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "sandbox/api/policy.h"
#include "sandbox/jail/landlock.h"
#include "sandbox/jail/plan.h"
#include "tests/unit/catch.h"
#include "tests/unit/folder.h"

using namespace cellblock::sandbox;
using cellblock::tests::Contains;
using cellblock::tests::Folder;
namespace fs = std::filesystem;

namespace {

std::vector<LayerState> all_standing() {
    std::vector<LayerState> states;
    for (const Layer layer : all_layers()) {
        states.push_back({layer, true, "so", {}});
    }
    return states;
}

struct Folders {
    Folders() {
        fs::create_directories(base + "/open/inner");
        folder.file("closed/kept", "kept");
    }
    Folder folder;
    const std::string& base = folder.path;
};

// What the child, locked to changes below base/open, gives back: an errno, or 0.
int errno_in_lock(const Folders& folders, const std::function<bool()>& attempt) {
    const pid_t child = ::fork();
    if (child == 0) {
        jail::FileStep open;
        open.kind = jail::FileStepKind::scratch;
        open.target = folders.base.substr(1) + "/open";
        const auto plan = jail::plan_landlock({open}, jail::landlock_abi());
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (jail::lock_files(plan).happened()) {
            ::_exit(255);
        }
        errno = 0;
        ::_exit(attempt() ? 0 : errno);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 254;
}

bool can_open(const std::string& path, int flags) {
    const int file = ::open(path.c_str(), flags, 0600);
    if (file >= 0) {
        ::close(file);
    }
    return file >= 0;
}

}  // namespace

TEST_CASE("layers: every name reads back to its layer, and a level is made of layers") {
    for (const Layer layer : all_layers()) {
        CHECK(layer_named(name_of(layer)) == layer);
    }
    CHECK_FALSE(layer_named("moat").has_value());
    CHECK_FALSE(level_named("none").has_value());
    const auto full = level_named("full");
    REQUIRE(full.has_value());
    CHECK(full->layers == all_layers());
    CHECK(level_named("no-namespaces")->layers.size() < full->layers.size());
}

TEST_CASE("layers: the first that is required and missing is named, with its remedy") {
    auto states = all_standing();
    const Requirement both{{}, {Layer::seccomp, Layer::landlock}};
    CHECK_FALSE(missing_layer(both, states, "mine").has_value());
    for (auto& state : states) {
        if (state.layer == Layer::landlock) {
            state = {Layer::landlock, false, "this kernel has none", "Boot another"};
        }
    }
    const auto missing = missing_layer(both, states, "mine");
    REQUIRE(missing.has_value());
    CHECK_THAT(missing->text(), Contains("\"landlock\"") && Contains("this kernel has none") &&
                                    Contains("Boot another") && Contains("\"require\"") &&
                                    Contains("\"mine\""));
    CHECK_FALSE(missing_layer({{}, {Layer::seccomp}}, states, "mine").has_value());
}

TEST_CASE("layers: an engine that doesn't tell of a layer doesn't have it") {
    CHECK_THAT(missing_layer({{}, {Layer::memory}}, {}, "mine")->text(), Contains("\"memory\""));
}

TEST_CASE("policy: what is required is a level or single layers") {
    CHECK(parse_policy(R"({"require": "full"})", "p").value().require.layers == all_layers());
    const auto some = parse_policy(R"({"require": ["landlock", "namespaces"]})", "p").value();
    CHECK(some.require.layers == std::vector<Layer>{Layer::namespaces, Layer::landlock});
    CHECK(parse_policy(R"({"require": []})", "p").value().require.layers.empty());
    const auto by_default = parse_policy("{}", "p").value().require.layers;
    CHECK(std::find(by_default.begin(), by_default.end(), Layer::landlock) != by_default.end());
    CHECK(std::find(by_default.begin(), by_default.end(), Layer::memory) == by_default.end());
    for (const char* wrong : {R"("ful")", "true", "7", R"(["seccomp", "seccomp"])", R"(["moat"])", "[1]",
                              R"([["seccomp"]])", R"({"level": "full"})"}) {
        INFO(wrong);
        const auto refused = parse_policy(std::string(R"({"require": )") + wrong + "}", "p");
        REQUIRE_FALSE(refused.ok());
        CHECK_THAT(refused.error().text(), Contains("require") && Contains("no-namespaces"));
    }
}

TEST_CASE("landlock: a rule for each place that may be changed, of rights that the kernel knows") {
    jail::FileStep scratch;
    scratch.kind = jail::FileStepKind::scratch;
    scratch.target = "work";
    jail::FileStep shown;
    shown.kind = jail::FileStepKind::bind;
    shown.target = "data";
    for (const int abi : {1, 2, 3, 4, 5, 6, 7, 99}) {
        const auto plan = jail::plan_landlock({scratch, shown}, abi);
        CHECK(plan.abi == abi);
        CHECK((plan.scoped != 0) == (abi >= 6));
        bool work = false;
        for (const auto& rule : plan.rules) {
            INFO(rule.path);
            CHECK((rule.rights & ~plan.handled) == 0);
            CHECK(rule.path != "/data");
            work = work || rule.path == "/work";
        }
        CHECK(work);
    }
}

TEST_CASE("landlock: by itself it keeps changes to the places that are open") {
    if (jail::landlock_abi() == 0) {
        WARN("skipped: this kernel has no Landlock, or it is switched off");
        return;
    }
    const Folders folders;
    const std::string& base = folders.base;
    const auto attempt = [&](const std::function<bool()>& what) { return errno_in_lock(folders, what); };
    CHECK(attempt([&] { return can_open(base + "/open/new", O_CREAT | O_WRONLY); }) == 0);
    CHECK(attempt([&] { return can_open(base + "/closed/kept", O_RDONLY); }) == 0);
    CHECK(attempt([&] { return can_open(base + "/closed/kept", O_WRONLY); }) == EACCES);
    CHECK(attempt([&] { return can_open(base + "/closed/new", O_CREAT | O_WRONLY); }) == EACCES);
    CHECK(attempt([&] { return ::unlink((base + "/closed/kept").c_str()) == 0; }) == EACCES);
    CHECK(attempt([&] { return ::mkdir((base + "/closed/d").c_str(), 0700) == 0; }) == EACCES);
    CHECK(attempt([&] { return ::symlink("x", (base + "/closed/l").c_str()) == 0; }) == EACCES);
    CHECK(attempt([&] {
              return ::rename((base + "/closed/kept").c_str(), (base + "/open/stolen").c_str()) == 0;
          }) != 0);
    CHECK(attempt([&] {
              return ::rename((base + "/open/new").c_str(), (base + "/open/inner/new").c_str()) == 0;
          }) == (jail::landlock_abi() >= 2 ? 0 : EXDEV));
    CHECK(attempt([&] { return ::mknod((base + "/open/disk").c_str(), S_IFBLK | 0600, 0x700) == 0; }) != 0);
    CHECK(fs::exists(base + "/closed/kept"));
    CHECK_FALSE(fs::exists(base + "/closed/new"));
}

TEST_CASE("landlock: no signal and no abstract socket reaches outside") {
    if (jail::landlock_abi() < 6) {
        WARN("skipped: this kernel's Landlock knows no scopes");
        return;
    }
    const Folders folders;
    CHECK(errno_in_lock(folders, [] { return ::kill(::getppid(), 0) == 0; }) == EPERM);
    const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    // The kernel chooses an abstract name.
    REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address.sun_family) == 0);
    REQUIRE(::listen(listener, 1) == 0);
    socklen_t size = sizeof address;
    REQUIRE(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    CHECK(errno_in_lock(folders, [&] {
              const int other = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
              return ::connect(other, reinterpret_cast<sockaddr*>(&address), size) == 0;
          }) == EPERM);
    ::close(listener);
}
