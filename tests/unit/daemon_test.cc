// The daemon's requests, settings and figures.
#include <sys/socket.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "sandbox/base/event_loop.h"
#include "sandbox/base/machine.h"
#include "sandbox/base/text.h"
#include "sandbox/engines/command_engine.h"
#include "sandbox/jail/cgroup.h"
#include "sandbox/pool/launch_order.h"
#include "sandbox/pool/protocol.h"
#include "sandbox/pool/sandbox_memory.h"
#include "sandbox/pool/settings.h"
#include "sandbox/pool/status.h"
#include "tests/unit/catch.h"
#include "tests/unit/folder.h"

namespace cellblock::sandbox::pool {

namespace {

using cellblock::tests::Folder;
using namespace std::chrono_literals;

Request a_claim() {
    Request request{Verb::claim_fork,
                    {"/usr/bin/python3", {"/opt/a"}, {"numpy"}, "/w", "/l", {"A=1"}, false}};
    request.names = {"pandas"};
    request.recipe.configure = std::string("frame\0with a zero", 17);
    request.recipe.memory_bytes = 1U << 30;
    request.recipe.most = 8;
    return request;
}

// A settings file of the test's own.
class Config {
public:
    explicit Config(const std::string& text) {
        folder_.file("cellblock/daemon.json", text);
        ::setenv("XDG_CONFIG_HOME", folder_.path.c_str(), 1);
    }
    ~Config() { ::unsetenv("XDG_CONFIG_HOME"); }
    Config(const Config&) = delete;
    Config& operator=(const Config&) = delete;

private:
    Folder folder_;
};

LaunchOrder an_order() {
    return {"docker", "/e/docker.json", "{}", R"({"engine": "docker"})", "/", "", {"A=1"}, "stamp"};
}

Request a_claim_of_made() {
    Request request;
    request.verb = Verb::claim_launched;
    return request;
}

DaemonStatus a_status() {
    DaemonStatus status;
    status.process = 7;
    status.settings.memory_bytes = 1U << 30;
    status.sandboxes.living = 3;
    status.sandboxes.waits = {0.001, 0.002, 0.5};
    status.sandboxes.ends[0] = 4;
    status.sandboxes.engines["runc"] = {2, {0.5}};
    status.pool.engines["runc"].ready = 1;
    status.pool.engines["docker"].target = 4;
    status.zygotes.push_back({"/usr/bin/py\"3", {"numpy"}, "ready", "", 8, 1.25, 4, 100U << 20});
    return status;
}

}  // namespace

TEST_CASE("a request is the same after its way as bytes, and its key tells specs apart") {
    const Request request = a_claim();
    const auto copy = request_from(to_bytes(request));
    REQUIRE(copy.has_value());
    CHECK(copy->verb == Verb::claim_fork);
    CHECK(copy->spec.preload == request.spec.preload);
    CHECK(copy->names == request.names);
    CHECK(copy->recipe.configure == request.recipe.configure);
    CHECK(key_of(copy->spec) == key_of(request.spec));
    auto other = request.spec;
    other.environment = {"A=2"};
    CHECK(key_of(other) != key_of(request.spec));
    other = request.spec;
    std::swap(other.prefixes, other.preload);
    CHECK(key_of(other) != key_of(request.spec));
}

TEST_CASE("only sandboxes of the same zygote, plan and recipe stand in for each other") {
    const Request request = a_claim();
    const std::string key = key_of(request, "plan");
    CHECK(key_of(a_claim(), "plan") == key);
    CHECK(key_of(request, "another") != key);
    const auto differs = [&](auto change) {
        Request other = a_claim();
        change(other);
        return key_of(other, "plan") != key;
    };
    CHECK(differs([](Request& one) { one.spec.preload.clear(); }));
    CHECK(differs([](Request& one) { one.spec.learns = true; }));
    CHECK(differs([](Request& one) { one.recipe.configure = "x"; }));
    CHECK(differs([](Request& one) { one.recipe.sources = "x"; }));
    CHECK(differs([](Request& one) { one.recipe.memory_bytes = 1; }));
    CHECK(differs([](Request& one) { one.recipe.debugger = true; }));
}

TEST_CASE("an order is the same after its way as bytes, and nothing else is one") {
    const std::string bytes = to_bytes(an_order());
    const auto copy = launch_order_from(bytes);
    REQUIRE(copy.has_value());
    CHECK(to_bytes(*copy) == bytes);
    CHECK(copy->environment == an_order().environment);
    CHECK_FALSE(launch_order_from("").has_value());
    CHECK_FALSE(launch_order_from(bytes + "x").has_value());
    CHECK_FALSE(launch_order_from(bytes.substr(0, bytes.size() - 1)).has_value());
    CHECK_FALSE(launch_order_from(to_bytes(LaunchOrder{})).has_value());
    const auto parts = launch_report_from(to_bytes(LaunchReport{"c", "s"}));
    REQUIRE(parts.has_value());
    CHECK(parts->spec == "s");
    CHECK_FALSE(launch_report_from("x").has_value());
}

TEST_CASE("a sandbox stands in for another of the same order alone; what changed on disk outdates it") {
    const Request request = a_claim_of_made();
    const auto key = [&](const LaunchOrder& order) { return key_of(request, to_bytes(order)); };
    const auto family = [&](const LaunchOrder& order) { return family_of(request, to_bytes(order)); };
    const auto check = [&](const char* what, bool same_family, auto change) {
        INFO(what);
        LaunchOrder other = an_order();
        change(other);
        CHECK(key(other) != key(an_order()));
        CHECK((family(other) == family(an_order())) == same_family);
    };
    check("engine", false, [](LaunchOrder& one) { one.engine = "podman"; });
    check("policy", false, [](LaunchOrder& one) { one.policy = R"({"image": "other"})"; });
    check("directory", false, [](LaunchOrder& one) { one.directory = "/home"; });
    check("packages", false, [](LaunchOrder& one) { one.packages = "/p"; });
    check("environment", false, [](LaunchOrder& one) { one.environment = {"A=2"}; });
    check("template", true, [](LaunchOrder& one) { one.template_text = "{ }"; });
    check("stamp", true, [](LaunchOrder& one) { one.stamp = "later"; });
    for (const Verb verb : {Verb::prepare_launched, Verb::claim_ready}) {
        Request same = request;
        same.verb = verb;
        CHECK(key_of(same, to_bytes(an_order())) == key(an_order()));
        CHECK(family_of(same, to_bytes(an_order())) == family(an_order()));
    }
}

TEST_CASE("an engine's command gets the session's environment, but for what only names the session") {
    const std::vector<std::string> all{"PATH=/bin", "JPY_SESSION_NAME=a.ipynb", "DOCKER_HOST=x",
                                       "PWD=/a",    "SSH_TTY=/dev/pts/1",       "SSH_AUTH_SOCK=/s"};
    Policy policy = builtin_policy();
    CHECK(environment_for(policy, pointers(all).data()) ==
          std::vector<std::string>{"DOCKER_HOST=x", "PATH=/bin", "SSH_AUTH_SOCK=/s"});
    policy.environment = {{"PWD", std::nullopt}, {"SSH_TTY", "none"}};
    CHECK(environment_for(policy, pointers(all).data()) ==
          std::vector<std::string>{"DOCKER_HOST=x", "PATH=/bin", "PWD=/a", "SSH_AUTH_SOCK=/s"});
}

TEST_CASE("what is no request is refused") {
    const std::string bytes = to_bytes(Request{Verb::status, {}, {}});
    CHECK(request_from(bytes).has_value());
    CHECK_FALSE(request_from("").has_value());
    CHECK_FALSE(request_from("z" + bytes.substr(1)).has_value());
    CHECK_FALSE(request_from(bytes + "x").has_value());
    CHECK_FALSE(request_from(bytes.substr(0, bytes.size() - 1)).has_value());
}

TEST_CASE("what is given comes as it was sent, cgroups too") {
    const auto copy = given_from(to_bytes(Given{12, jail::Cgroup().to_bytes(), "spec"}));
    REQUIRE(copy.has_value());
    CHECK(copy->supervisor == 12);
    CHECK(copy->spec == "spec");
    CHECK(jail::Cgroup::from_bytes(copy->cgroup).has_value());
    CHECK_FALSE(jail::Cgroup::from_bytes("x").has_value());
    CHECK_FALSE(given_from("x").has_value());
}

TEST_CASE("the daemon's settings are read, and a fault is told by file and key") {
    {
        const Config config(R"({"sandboxes": 5, "memory": "50%", "idle": "90s"})");
        const auto settings = load_settings();
        REQUIRE(settings.ok());
        CHECK(settings->sandboxes == 5);
        CHECK(settings->memory_bytes == machine_memory().total * 50 / 100);
        CHECK(settings->idle == 90s);
    }
    for (const auto* wrong : {R"({"sandbox": 5})", R"({"sandboxes": 0})", R"({"memory": "101%"})",
                              R"({"memory": "lots"})", R"({"idle": 5})"}) {
        const Config config(wrong);
        const auto settings = load_settings();
        REQUIRE_FALSE(settings.ok());
        CHECK(settings.error().text().find("daemon.json: ") != std::string::npos);
    }
    for (const auto* wrong : {"[]", "{", ""}) {
        const Config config(wrong);
        CHECK_FALSE(load_settings().ok());
    }
    const Config config(R"({"sandboxs": 5})");
    CHECK(load_settings().error().text().find("did you mean \"sandboxes\"") != std::string::npos);
}

TEST_CASE("the host's memory is known") {
    const auto memory = machine_memory();
    CHECK(memory.total > 0);
    CHECK(memory.available > 0);
    CHECK(memory.available <= memory.total);
    CHECK(resident_memory(::getpid()) > 0);
}

TEST_CASE("figures for people and for machines") {
    const auto status = status_json(a_status());
    CHECK(status["sandboxes"]["living"] == 3);
    CHECK(status["claims"]["seconds"]["median"] == 0.002);
    const std::string words = in_words(status);
    CHECK(words.find("3 of at most 1000") != std::string::npos);
    CHECK(words.find("ready after 1.25 s (process 8), 4 forks, 100 MiB shared") != std::string::npos);
    CHECK(words.find("4 session_ended") != std::string::npos);
    CHECK(words.find("engine runc: 1 of 0 ready, 0 under way, 2 with sessions; up in 500.0 ms") !=
          std::string::npos);
    CHECK(status["engines"]["docker"]["target"] == 4);
    CHECK(status_json({})["engines"].is_object());
    const std::string metrics = open_metrics({status});
    CHECK(metrics.find("cellblock_sandboxes{process=\"7\"} 3\n") != std::string::npos);
    CHECK(metrics.find("cellblock_sandbox_ends_total{process=\"7\",reason=\"session_ended\"} 4\n") !=
          std::string::npos);
    CHECK(metrics.find("cellblock_engine_spares{process=\"7\",engine=\"runc\"} 1\n") != std::string::npos);
    CHECK(metrics.find("program=\"/usr/bin/py\\\"3\"") != std::string::npos);
    CHECK(metrics.ends_with("# EOF\n"));
    CHECK(open_metrics({}).ends_with("# EOF\n"));
}

TEST_CASE("a loop calls who waits, and never who was forgotten") {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    const UniqueFd first(ends[0]);
    const UniqueFd second(ends[1]);
    EventLoop loop;
    int calls = 0;
    loop.watch(first.get(), [&] {
        ++calls;
        loop.forget(first.get());
    });
    REQUIRE(loop.turn(0ms));
    CHECK(calls == 0);
    REQUIRE(::send(second.get(), "x", 1, 0) == 1);
    REQUIRE(loop.turn(1000ms));
    REQUIRE(loop.turn(0ms));
    CHECK(calls == 1);
}

}  // namespace cellblock::sandbox::pool
