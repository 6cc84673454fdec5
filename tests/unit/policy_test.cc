// Policies: defaults, every key, and what each kind of mistake is told.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "sandbox/api/policy.h"
#include "sandbox/base/machine.h"
#include "sandbox/policy/key_table.h"
#include "tests/unit/catch.h"
#include "tests/unit/folder.h"

using namespace cellblock::sandbox;
using cellblock::tests::Folder;
using namespace std::chrono_literals;
using cellblock::tests::Contains;
namespace fs = std::filesystem;

namespace {

std::string refusal(const std::string& json) {
    auto policy = parse_policy(json, "test");
    return policy ? "accepted" : policy.error().text();
}

// A folder as $XDG_CONFIG_HOME, gone at the end.
class ConfigHome {
public:
    ConfigHome() {
        fs::create_directories(policies());
        ::setenv("XDG_CONFIG_HOME", folder_.path.c_str(), 1);
    }
    ConfigHome(const ConfigHome&) = delete;
    ConfigHome& operator=(const ConfigHome&) = delete;
    ~ConfigHome() { ::unsetenv("XDG_CONFIG_HOME"); }
    [[nodiscard]] fs::path policies() const { return fs::path(folder_.path) / "cellblock" / "policies"; }
    [[nodiscard]] std::string put(const std::string& name, const std::string& text) const {
        std::ofstream(policies() / name) << text;
        return (policies() / name).string();
    }

private:
    Folder folder_;
};

}  // namespace

TEST_CASE("policy: an empty document gives every default") {
    const auto policy = parse_policy("{}", "mine").value();
    CHECK(policy.name == "mine");
    CHECK(policy.engine == "native");
    CHECK(policy.python.empty());
    CHECK(policy.limits.cell_time == 60s);
    CHECK(policy.limits.cell_time_max == 10min);
    CHECK(policy.limits.grace_time == 2s);
    CHECK(policy.limits.start_time == 60s);
    CHECK(policy.limits.memory_bytes == 1ULL << 30);
    CHECK(policy.limits.processes == 128);
    CHECK(policy.limits.cpus == 1.0);
    CHECK(policy.limits.disk_bytes == 256ULL << 20);
    CHECK(policy.limits.output_bytes == 16ULL << 20);
    CHECK(policy.limits.code_bytes == 64ULL << 10);
    CHECK(!policy.network.any());
    CHECK(policy.files.empty());
    CHECK(policy.environment.empty());
    CHECK(policy.preload.empty());
    CHECK(policy.learns_preload);
    CHECK(policy.warm == Warm::automatic);
    CHECK_FALSE(policy.imports.has_value());
}

TEST_CASE("policy: every key is read, and what is shown reads back to the same") {
    const auto policy = parse_policy(R"({
        "description": "d", "engine": "oci", "python": "/opt/venv/bin/python", "preload": ["numpy", "a.b_c"],
        "imports": ["math", "numpy"],
        "limits": {"cell_time": "90s", "cell_time_max": "1.5h", "grace_time": "250ms", "start_time": "5s",
                   "memory": "1000001B", "processes": 7, "cpus": 0.5, "disk": "3MiB", "output": "1MB",
                   "code": "2KiB"},
        "network": "none",
        "files": [{"host": ".", "sandbox": "/work", "mode": "overlay"}, {"host": "/srv", "sandbox": "/data"}],
        "environment": {"TZ": "UTC", "LANG": true, "EMPTY": ""}})",
                                     "full");
    // 1000001B is below the least memory; all else is fine.
    REQUIRE_FALSE(policy.ok());
    CHECK_THAT(policy.error().text(), Contains("limits.memory") && Contains("32MiB"));
    const auto good = parse_policy(R"({
        "description": "d", "engine": "oci", "python": "/opt/venv/bin/python", "preload": ["numpy", "a.b_c"],
        "imports": ["math", "numpy"],
        "limits": {"cell_time": "90s", "cell_time_max": "1.5h", "grace_time": "250ms", "start_time": "5s",
                   "memory": "100000001B", "processes": 7, "cpus": 0.5, "disk": "3MiB", "output": "1MB",
                   "code": "2KiB"},
        "files": [{"host": ".", "sandbox": "/work", "mode": "overlay"}, {"host": "/srv", "sandbox": "/data"}],
        "environment": {"TZ": "UTC", "LANG": true, "EMPTY": ""}})",
                                   "full")
                          .value();
    CHECK(good.limits.memory_bytes == 100000001);
    CHECK(good.limits.cell_time_max == 90min);
    CHECK(good.files[1].mode == FileMode::read);
    REQUIRE(good.environment.size() == 3);
    CHECK(good.environment[0].value == "");
    CHECK_FALSE(good.environment[1].value.has_value());
    const std::string shown = policy_to_json(good);
    CHECK(policy_to_json(parse_policy(shown, "full").value()) == shown);
    const auto again = parse_policy(shown, "full").value();
    CHECK(again.limits.memory_bytes == 100000001);
    CHECK(again.limits.output_bytes == 1000000);
}

TEST_CASE("policy: memory and cpus may be shares of this machine") {
    const auto shared = parse_policy(R"({"limits": {"memory": "50%", "cpus": "all"}})", "t").value();
    const auto half = static_cast<double>(machine_memory().total) / 2;
    CHECK(static_cast<double>(shared.limits.memory_bytes) <= half);
    CHECK(static_cast<double>(shared.limits.memory_bytes) > half - (2 << 20));
    CHECK(shared.limits.memory_bytes % (1 << 20) == 0);
    CHECK(shared.limits.cpus == machine_cpus());
    const std::string shown = policy_to_json(shared);
    CHECK_THAT(shown, Contains(R"("memory": "50%")") && Contains(R"("cpus": "all")"));
    CHECK(policy_to_json(parse_policy(shown, "t").value()) == shown);
    CHECK_THAT(shares_in_words(shared), Contains("limits.memory is ") && Contains("limits.cpus is "));
    CHECK(shares_in_words(builtin_policy()).empty());

    Policy changed = shared;  // by a program, whose figures count
    changed.limits.memory_bytes = 64 << 20;
    changed.limits.cpus = 0.25;
    CHECK_THAT(policy_to_json(changed), Contains(R"("memory": "64MiB")") && Contains(R"("cpus": 0.25)"));

    CHECK(parse_policy(R"({"limits": {"cpus": "25%"}})", "t").value().limits.cpus == machine_cpus() / 4);
    for (const char* wrong : {R"("0%")", R"("101%")", R"("1.5%")", R"("%")", R"("-5%")", R"("half")", "60"}) {
        CHECK_THAT(refusal(std::string(R"({"limits": {"memory": )") + wrong + "}}"),
                   Contains("limits.memory"));
    }
    for (const char* wrong : {R"("0%")", R"("101%")", R"("many")", R"("ALL")", "0", "true"}) {
        CHECK_THAT(refusal(std::string(R"({"limits": {"cpus": )") + wrong + "}}"), Contains("limits.cpus"));
    }
}

TEST_CASE("policy: imports are names without dots, or any") {
    CHECK(parse_policy(R"({"imports": []})", "t").value().imports == std::vector<std::string>{});
    CHECK(parse_policy(R"({"imports": ["re"]})", "t").value().imports == std::vector<std::string>{"re"});
    CHECK_FALSE(parse_policy(R"({"imports": "any"})", "t").value().imports.has_value());
    CHECK_THAT(refusal(R"({"imports": "all"})"), Contains("imports") && Contains("\"any\""));
    CHECK_THAT(refusal(R"({"imports": ["os.path"]})"), Contains("imports[0]") && Contains("without dots"));
    CHECK_THAT(refusal(R"({"imports": null})"), Contains("imports"));
}

// One value for each key that differs from the default's.
TEST_CASE("policy: what a language model is told follows every key that restricts a cell") {
    const std::string untold[] = {"description",
                                  "engine",
                                  "allow_unenforced",
                                  "image",
                                  "destination",
                                  "require",
                                  "python",
                                  "limits.start_time",
                                  "show_usage",
                                  "debugger",
                                  "audit",
                                  "history",
                                  "packages.dependencies",
                                  "packages.index",
                                  "packages.size",
                                  "packages.store",
                                  "packages.time",
                                  "warm",
                                  "pool.min",
                                  "pool.max"};
    const std::map<std::string, std::string> others{
        {"preload", R"({"preload": ["decimal"]})"},
        {"imports", R"({"imports": ["math"]})"},
        {"limits.cell_time", R"({"limits": {"cell_time": "7s"}})"},
        {"limits.cell_time_max", R"({"limits": {"cell_time_max": "77m"}})"},
        {"limits.grace_time", R"({"limits": {"grace_time": "9s"}})"},
        {"limits.memory", R"({"limits": {"memory": "77MiB"}})"},
        {"limits.processes", R"({"limits": {"processes": 77}})"},
        {"limits.cpus", R"({"limits": {"cpus": 7.5}})"},
        {"limits.disk", R"({"limits": {"disk": "7MiB"}})"},
        {"limits.output", R"({"limits": {"output": "7KiB"}})"},
        {"limits.code", R"({"limits": {"code": "7KiB"}})"},
        {"outputs.html", R"({"outputs": {"html": "drop"}})"},
        {"outputs.mime", R"({"outputs": {"mime": ["text/plain"]}})"},
        {"outputs.comms", R"({"outputs": {"comms": ["some.target"]}})"},
        {"packages.allow", R"({"packages": {"allow": ["seaborn"]}})"},
        {"files", R"({"files": [{"host": "/srv", "sandbox": "/data"}]})"},
        {"environment", R"({"environment": {"TOKEN": "hidden-value"}})"},
    };
    const std::string usual = policy_prompt(builtin_policy());
    for (const auto& key : policy_table()) {
        INFO(key.path);
        if (key.path == "network") {
            CHECK_THAT(usual, Contains("Network: none"));
        } else if (std::count(std::begin(untold), std::end(untold), key.path) == 0) {
            REQUIRE(others.count(key.path) == 1);
            const auto told = policy_prompt(parse_policy(others.at(key.path), "t").value());
            CHECK(told != usual);
            CHECK_THAT(told, !Contains("hidden-value"));
        }
    }
}

TEST_CASE("policy: words of the version before work with a notice that names the new word") {
    const auto policy = parse_policy(
        R"({"best_effort": true, "require": "contained", "pool": {"ready": 2, "most": 5}})", "mine");
    REQUIRE(policy.ok());
    CHECK(policy->allow_unenforced);
    CHECK(policy->require.level == "no-namespaces");
    CHECK(policy->pool.min == 2);
    CHECK(policy->pool.max == 5);
    REQUIRE(policy->notices.size() == 4);
    const char* words[][2] = {{"best_effort", "allow_unenforced"},
                              {"pool.ready", "pool.min"},
                              {"pool.most", "pool.max"},
                              {"contained", "no-namespaces"}};
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK_THAT(policy->notices[i],
                   Contains("policy mine") && Contains(words[i][0]) && Contains(words[i][1]));
    }
    const std::string shown = policy_to_json(*policy);
    CHECK_THAT(shown, !Contains("best_effort") && !Contains("contained") && !Contains("\"ready\"") &&
                          !Contains("\"most\""));
    CHECK(parse_policy(shown, "mine").value().notices.empty());
}

TEST_CASE("policy: an old word beside its new one, or with a wrong value, is refused by its name") {
    CHECK_THAT(refusal(R"({"best_effort": true, "allow_unenforced": true})"),
               Contains("best_effort") && Contains("old name of allow_unenforced"));
    CHECK_THAT(refusal(R"({"pool": {"ready": 1, "min": 1}})"), Contains("pool.ready"));
    CHECK_THAT(refusal(R"({"pool": {"most": -1}})"), Contains("pool.max") && Contains("found -1"));
    CHECK_THAT(refusal(R"({"pool": 1, "best_effort": 1})"), Contains("found 1"));
    CHECK_THAT(refusal(R"({"require": ["contained"]})"), Contains("require[0]"));
}

TEST_CASE("policy: the builtin policy shown reads back to the same") {
    const std::string shown = policy_to_json(builtin_policy());
    CHECK(policy_to_json(parse_policy(shown, "builtin").value()) == shown);
}

TEST_CASE("policy: an unknown key is named by its path, with the nearest known one") {
    CHECK_THAT(refusal(R"({"limits": {"memmory": "1GiB"}})"),
               Contains("limits.memmory") && Contains("did you mean limits.memory?"));
    CHECK_THAT(refusal(R"({"memory": "1GiB"})"), Contains("did you mean limits.memory?"));
    CHECK_THAT(refusal(R"({"netwrok": "none"})"), Contains("did you mean network?"));
    CHECK_THAT(refusal(R"({"zzzzzzzzzzzz": 1})"),
               Contains("there is no such key") && Contains("policy show"));
    CHECK_THAT(refusal(R"({"files": [{"host": ".", "sandbox": "/w", "mod": "read"}]})"),
               Contains("files[0].mod") && Contains("host, sandbox, mode"));
    CHECK(refusal("{\"" + std::string(5000, 'a') + "\": 1}").size() < 400);
}

TEST_CASE("policy: a wrong type names the key, the value and what is allowed") {
    CHECK_THAT(refusal(R"({"limits": {"memory": 1024}})"),
               Contains("limits.memory") && Contains("1024") && Contains("MiB"));
    CHECK_THAT(refusal(R"({"limits": {"processes": "128"}})"),
               Contains("limits.processes") && Contains("1 to 65536"));
    CHECK_THAT(refusal(R"({"limits": {"processes": true}})"), Contains("found true"));
    CHECK_THAT(refusal(R"({"limits": {"processes": 1.5}})"), Contains("whole number"));
    CHECK_THAT(refusal(R"({"limits": {"processes": -1}})"), Contains("found -1"));
    CHECK_THAT(refusal(R"({"limits": {"cpus": true}})"), Contains("limits.cpus"));
    CHECK_THAT(refusal(R"({"limits": {"cpus": 0}})"), Contains("0.01 to 1024"));
    CHECK_THAT(refusal(R"({"limits": []})"), Contains("limits") && Contains("an object"));
    CHECK_THAT(refusal(R"({"limits": {"cell_time": null}})"), Contains("found null"));
    CHECK_THAT(refusal(R"({"network": "host"})"), Contains("network") && Contains("\"none\""));
    CHECK_THAT(refusal(R"({"engine": "../x"})"), Contains("engine"));
    CHECK_THAT(refusal(R"({"python": "venv/bin/python"})"), Contains("python") && Contains("absolute path"));
}

TEST_CASE("policy: a bad unit or a value out of range names what is allowed") {
    CHECK_THAT(refusal(R"({"limits": {"cell_time": "5 bananas"}})"),
               Contains("limits.cell_time") && Contains("5 bananas") && Contains("ms, s, m, h"));
    CHECK_THAT(refusal(R"({"limits": {"cell_time": "0s"}})"), Contains("10ms to 240h"));
    CHECK_THAT(refusal(R"({"limits": {"output": "1EiB"}})"), Contains("limits.output"));
}

TEST_CASE("policy: the most that a cell may ask for is never below a cell's time") {
    CHECK(parse_policy(R"({"limits": {"cell_time": "30m"}})", "x").value().limits.cell_time_max == 30min);
    CHECK_THAT(refusal(R"({"limits": {"cell_time": "30m", "cell_time_max": "10m"}})"),
               Contains("limits.cell_time_max") && Contains("30m"));
}

TEST_CASE("policy: modules are dotted names and nothing else") {
    for (const char* bad : {"", "a b", "a;b", "1a", ".a", "a.", "a..b", "os; import x", "-m"}) {
        INFO(bad);
        CHECK_THAT(refusal(R"({"preload": ["ok", ")" + std::string(bad) + "\"]}"), Contains("preload[1]"));
    }
    CHECK_THAT(refusal(R"({"preload": "numpy"})"), Contains("preload") && Contains("auto"));
    CHECK(parse_policy(R"({"preload": "auto"})", "t")->learns_preload);
    CHECK_FALSE(parse_policy(R"({"preload": []})", "t")->learns_preload);
    CHECK(parse_policy(R"({"warm": false})", "t")->warm == Warm::off);
    CHECK(parse_policy(R"({"warm": true})", "t")->warm == Warm::on);
    CHECK(parse_policy(R"({"warm": "auto"})", "t")->warm == Warm::automatic);
    CHECK_THAT(refusal(R"({"warm": "always"})"), Contains("warm") && Contains("\"auto\", true or false"));
}

TEST_CASE("policy: paths inside are absolute, in normal form and outside of the system's own") {
    for (const char* bad :
         {"work", "/", "", "/a/../b", "/a/./b", "//a", "/a/", "/proc", "/proc/1", "/sys", "/dev/shm"}) {
        INFO(bad);
        CHECK_THAT(refusal(R"({"files": [{"host": ".", "sandbox": ")" + std::string(bad) + "\"}]}"),
                   Contains("files[0].sandbox"));
    }
    CHECK_THAT(refusal(R"({"files": [{"host": "~/x", "sandbox": "/w"}]})"), Contains("files[0].host"));
    CHECK_THAT(refusal(R"({"files": [{"host": ""  , "sandbox": "/w"}]})"), Contains("files[0].host"));
    CHECK_THAT(refusal(R"({"files": [{"host": "a\u0000b", "sandbox": "/w"}]})"), Contains("files[0].host"));
    CHECK_THAT(refusal(R"({"files": [{"sandbox": "/w"}]})"),
               Contains("files[0].host") && Contains("missing"));
    CHECK_THAT(refusal(R"({"files": [{"host": "a", "sandbox": "/w"}, {"host": "b", "sandbox": "/w"}]})"),
               Contains("files[1].sandbox") && Contains("twice"));
    CHECK_THAT(refusal(R"({"files": [{"host": "a", "sandbox": "/w", "mode": "write"}]})"),
               Contains("files[0].mode") && Contains("overlay"));
}

TEST_CASE("policy: names in the environment are checked") {
    for (const char* bad : {"", "A B", "A=B", "1A", "LD_PRELOAD", "GLIBC_TUNABLES", "PYTHONHOME"}) {
        INFO(bad);
        CHECK_THAT(refusal(R"({"environment": {")" + std::string(bad) + "\": \"x\"}}"),
                   Contains("environment."));
    }
    CHECK_THAT(refusal(R"({"environment": {"A": false}})"), Contains("environment.A") && Contains("true"));
    CHECK_THAT(refusal(R"({"environment": {"A": 1}})"), Contains("environment.A"));
    CHECK_THAT(refusal(R"({"environment": {"A": "x\u0000y"}})"), Contains("environment.A"));
}

TEST_CASE("policy: invalid JSON is told with line and column") {
    CHECK_THAT(refusal("{\n  \"engine\": \"native\",\n}"),
               Contains("line 3, column 1") && Contains("invalid JSON"));
    CHECK_THAT(refusal(""), Contains("line 1, column 1"));
    CHECK_THAT(refusal("{\"a\": \"\xff\"}"), Contains("invalid JSON"));
    CHECK_THAT(refusal("[]"), Contains("JSON object"));
    CHECK_THAT(refusal("{\"limits\": {\"cpus\": 1e999}}"), Contains("invalid JSON"));
}

TEST_CASE("policy: a key given twice, a deep or a long document is refused") {
    CHECK_THAT(refusal(R"({"limits": {"memory": "1GiB", "memory": "2GiB"}})"),
               Contains("limits.memory") && Contains("twice"));
    CHECK_THAT(refusal(R"({"engine": "native", "engine": "native"})"),
               Contains("engine") && Contains("twice"));
    CHECK_THAT(refusal("{\"a\":" + std::string(17, '[') + std::string(17, ']') + "}"), Contains("16 levels"));
    CHECK_THAT(refusal("{\"a\":" + std::string(60000, '[')), Contains("16 levels"));
    CHECK_THAT(refusal("{" + std::string(65536, ' ') + "}"), Contains("64 KiB"));
}

TEST_CASE("policy: every row of the table has a default that it allows, and stands in the reference") {
    const std::string reference = policy_reference_markdown();
    for (const auto& key : policy_table()) {
        INFO(key.path);
        CHECK_THAT(reference, Contains("| `" + key.path + "` |"));
        Policy policy = builtin_policy();
        CHECK(key.read(nlohmann::json::parse(key.fallback), policy).ok());
    }
}

TEST_CASE("policy: by name, the user's own folder comes first") {
    const ConfigHome home;
    (void)home.put("mine.json", R"({"limits": {"processes": 3}})");
    CHECK(load_policy("mine").value().limits.processes == 3);
    CHECK(load_policy("mine").value().name == "mine");
}

TEST_CASE("policy: by path, with or without a folder of its own") {
    const ConfigHome home;
    const std::string path = home.put("mine.json", "{}");
    CHECK(load_policy(path).value().name == path);
}

TEST_CASE("policy: a name with path tricks is not a name") {
    const ConfigHome home;
    for (const char* bad : {"", ".", "..", ".hidden", "-x", "a b", "a\nb", "a%2fb"}) {
        INFO(bad);
        auto policy = load_policy(bad);
        REQUIRE_FALSE(policy.ok());
        CHECK_THAT(policy.error().text(), Contains("not a policy's name"));
    }
    CHECK_FALSE(load_policy(std::string("de\0fault", 8)).ok());
}

TEST_CASE("policy: what isn't there says where it was looked for") {
    const ConfigHome home;
    (void)home.put("mine.json", "{}");
    auto policy = load_policy("absent");
    REQUIRE_FALSE(policy.ok());
    CHECK_THAT(policy.error().text(), Contains(home.policies().string()) && Contains("mine"));
    CHECK_FALSE(load_policy("./absent.json").ok());
}

TEST_CASE("policy: a folder, a pipe or a huge file is refused without waiting") {
    const ConfigHome home;
    const auto pipe = (home.policies() / "pipe.json").string();
    REQUIRE(std::system(("mkfifo " + pipe).c_str()) == 0);
    CHECK_THAT(load_policy("pipe").error().text(), Contains("not a regular file"));
    CHECK_THAT(load_policy(home.policies().string()).error().text(), Contains("not a regular file"));
    const auto big = home.put("big.json", std::string(10 << 20, ' '));
    CHECK_THAT(load_policy(big).error().text(), Contains("64 KiB"));
}
