// Engines as templates: reading, filling, and what a policy is refused for.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "sandbox/api/engine.h"
#include "sandbox/base/process.h"
#include "sandbox/engines/fill.h"
#include "sandbox/engines/fill_document.h"
#include "sandbox/engines/oci_bundle.h"
#include "sandbox/engines/owner.h"
#include "sandbox/engines/promises.h"
#include "sandbox/engines/start_stamp.h"
#include "sandbox/engines/template.h"
#include "tests/unit/catch.h"
#include "tests/unit/folder.h"

using namespace cellblock::sandbox;
using cellblock::tests::Contains;
using cellblock::tests::Folder;

namespace {

nlohmann::json good() {
    return {{"description", "d"},
            {"isolation", "i"},
            {"needs", "n"},
            {"probe", {"true"}},
            {"argv", {"run", {"--image", "{image}"}, {"{start.word}"}}},
            {"enforces", {"network"}},
            {"layers", {"root"}}};
}

std::string refusal(const nlohmann::json& document) {
    const auto read = parse_template(document.dump(), "mine", "/etc/mine.json");
    REQUIRE_FALSE(read.ok());
    return read.error().text();
}

Promises weak() {
    Promises promises;
    promises.engine = "weak";
    promises.enforces = {"network"};
    return promises;
}

}  // namespace

TEST_CASE("engines: one that isn't there is told with those that are") {
    const auto unknown = make_engine(std::string("natve"));
    REQUIRE_FALSE(unknown.ok());
    CHECK_THAT(unknown.error().text(), Contains("natve") && Contains("can be: native"));
}

TEST_CASE("engines: a mistake in a template is told with file, key and what was likely meant") {
    auto document = good();
    document["enforce"] = document["enforces"];
    CHECK_THAT(refusal(document),
               Contains("/etc/mine.json") && Contains("enforce") && Contains("did you mean enforces"));
    document = good();
    document["enforces"] = {"limits.memroy"};
    CHECK_THAT(refusal(document), Contains("enforces") && Contains("did you mean limits.memory"));
    document = good();
    document["argv"] = {"run", "{memry}"};
    CHECK_THAT(refusal(document), Contains("argv") && Contains("{memry}") && Contains("{memory}"));
    document = good();
    document["argv"] = {"run", "{memory"};
    CHECK_THAT(refusal(document), Contains("argv") && Contains("{{"));
    document = good();
    document.erase("probe");
    CHECK_THAT(refusal(document), Contains("probe") && Contains("missing"));
    document = good();
    document["layers"] = {"walls"};
    CHECK_THAT(refusal(document), Contains("layers"));
    document = good();
    document["children"] = "yes";
    CHECK_THAT(refusal(document), Contains("children"));
}

TEST_CASE("engines: words are filled, groups repeated or left out") {
    const auto read = parse_template(good().dump(), "mine", "f").value();
    Values values;
    values.texts["image"] = "";
    values.lists["start.word"] = {"python3", "-c", "pass"};
    CHECK(fill(read.argv, values) == std::vector<std::string>{"run", "python3", "-c", "pass"});
    values.texts["image"] = "debian";
    CHECK(fill(read.argv, values) ==
          std::vector<std::string>{"run", "--image", "debian", "python3", "-c", "pass"});
    CHECK(fill_word("{{.Id}} is {image}", values) == "{.Id}} is debian");
    CHECK(shell_word("it's") == "'it'\\''s'");
}

TEST_CASE("engines: a template's files are filled: texts, and numbers where one stands alone") {
    auto document = good();
    document["files"] = {
        {"pod.json", {{"user", "{uid}"}, {"image", "{image}"}, {"deep", {{{"memory", "{memory}Mi"}}}}}},
        {"start", {"echo {name}", "", "exit {{ 1"}}};
    const auto read = parse_template(document.dump(), "mine", "f").value();
    REQUIRE(read.files.size() == 2);
    Values values;
    values.texts = {
        {"uid", "20001"}, {"image", "a\", \"privileged\": \"{uid}"}, {"memory", "5"}, {"name", "n"}};
    const auto pod = nlohmann::json::parse(fill_document(read.files[0].text, values));
    CHECK(pod["user"] == 20001);
    CHECK(pod["image"] == "a\", \"privileged\": \"{uid}");
    CHECK(pod["deep"][0]["memory"] == "5Mi");
    CHECK(pod.size() == 3);
    CHECK_FALSE(read.files[1].is_document);
    CHECK(fill_word(read.files[1].text, values) == "echo n\n\nexit { 1\n");
}

TEST_CASE("engines: a mistake in a template's files is told with the file's name") {
    const auto with = [](const nlohmann::json& files) {
        auto document = good();
        document["files"] = files;
        return refusal(document);
    };
    CHECK_THAT(with({{"pod.json", {{"deep", {{"user", "{udi}"}}}}}}),
               Contains("files.pod.json") && Contains("did you mean {uid}"));
    CHECK_THAT(with({{"start", {"exit {"}}}), Contains("files.start") && Contains("{{"));
    CHECK_THAT(with({{"start", 1}}), Contains("files.start"));
    CHECK_THAT(with({{"../start", {"exit"}}}), Contains("../start"));
    CHECK_THAT(with({{"scratch", {"exit"}}}), Contains("scratch"));
    CHECK_THAT(with("exit"), Contains("files"));
}

TEST_CASE("engines: a start's stamp tells what was changed on disk") {
    const Folder own;
    const std::string& folder = own.path;
    const auto write = [&](const char* name, const char* text) {
        std::ofstream(folder + "/" + name) << text;
    };
    const auto replace = [&](const char* name) {
        std::filesystem::copy(folder + "/" + name, folder + "/new", std::filesystem::copy_options::recursive);
        std::filesystem::remove_all(folder + "/" + name);
        std::filesystem::rename(folder + "/new", folder + "/" + name);
    };
    for (const char* name : {"shown", "copied", "image", "worker"}) {
        std::filesystem::create_directory(folder + "/" + name);
    }
    write("copied/file", "a");
    write("shown/file", "a");
    write("version", "1");
    auto document = good();
    document["version"] = {"cat", folder + "/version"};
    const auto from = parse_template(document.dump(), "mine", "mine.json");
    REQUIRE(from.ok());
    Policy policy = builtin_policy();
    policy.image = folder + "/image";
    policy.files = {{folder + "/shown", "/data", FileMode::read},
                    {folder + "/copied", "/work", FileMode::overlay}};
    const auto stamp = [&] {
        const auto told = stamp_of_start(*from, policy, {"/"}, folder + "/worker");
        INFO((told ? "" : told.error().text()));
        REQUIRE(told.ok());
        return *told;
    };
    std::string before = stamp();
    CHECK(stamp() == before);
    const auto changes = [&](bool it, auto change) {
        change();
        const std::string after = stamp();
        CHECK((after != before) == it);
        before = after;
    };
    changes(false, [&] { write("shown/file", "b"); });  // it is seen at once
    changes(true, [&] { replace("shown"); });
    changes(true, [&] { write("copied/file", "bb"); });
    changes(true, [&] { write("copied/new", ""); });
    changes(true, [&] { replace("image"); });
    changes(true, [&] { write("version", "2"); });
    changes(true, [&] { write("worker/a.py", ""); });
    changes(false, [&] { write("worker/a.pyc", ""); });
    std::filesystem::remove(folder + "/version");
    CHECK_FALSE(stamp_of_start(*from, policy, {"/"}, folder).ok());
}

TEST_CASE("engines: a name tells whether its owner lives") {
    const std::string mine = new_sandbox_name();
    CHECK(mine.size() <= 63);
    CHECK(mine.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos);
    CHECK_FALSE(is_orphan(mine));
    const std::string start = process_start_time(std::to_string(::getpid()));
    std::string gone = mine;
    gone.replace(gone.find(start), start.size(), "1");
    CHECK(is_orphan(gone));
    CHECK_FALSE(is_orphan("cellblock"));
    CHECK_FALSE(is_orphan("cellblock-00000000-1-2-3-abcdef"));
    CHECK_FALSE(is_orphan("another-container"));
    CHECK(is_sandbox_name("cellblock-00000000-1-2-3-abcdef"));
    CHECK_FALSE(is_sandbox_name("cellblock-00000000-1-x-3-abcdef"));
    CHECK_FALSE(is_sandbox_name("another-container"));
}

TEST_CASE("engines: what can't be kept is refused by name, unless the policy does without") {
    auto policy = parse_policy(R"({"engine": "weak"})", "mine").value();
    const auto refused = check_promises(policy, weak(), {});
    REQUIRE_FALSE(refused.ok());
    CHECK_THAT(refused.error().text(),
               Contains("limits.memory") && Contains("limits.disk") && Contains("allow_unenforced"));
    CHECK_THAT(refused.error().text(), !Contains("network,") && !Contains("files"));
    policy.allow_unenforced = true;
    CHECK(check_promises(policy, weak(), {}).ok());
    policy = parse_policy(R"({"allow_unenforced": true, "require": ["landlock"]})", "mine").value();
    CHECK_THAT(check_promises(policy, weak(), {}).error().text(), Contains("landlock"));
}

TEST_CASE("engines: hosts of the network are allowed where the template says that they are kept") {
    const auto policy = parse_policy(R"({"network": {"allow": ["a.example"]}, "files": []})", "mine").value();
    Promises strong;
    strong.engine = "strong";
    strong.enforces = {"limits.memory", "limits.processes", "limits.disk", "network"};
    CHECK_THAT(check_promises(policy, strong, {}).error().text(), Contains("network.allow"));
    strong.enforces.emplace_back("network.allow");
    CHECK(check_promises(policy, strong, {}).ok());
}

TEST_CASE("engines: a policy may name several") {
    const auto policy = parse_policy(R"({"engine": ["runsc", "native"]})", "mine").value();
    CHECK(policy.engine == "runsc");
    CHECK(policy.further_engines == std::vector<std::string>{"native"});
    CHECK(parse_policy(policy_to_json(policy), "again").value().further_engines == policy.further_engines);
    CHECK_FALSE(parse_policy(R"({"engine": []})", "mine").ok());
    CHECK_FALSE(parse_policy(R"({"engine": ["native", 1]})", "mine").ok());
    CHECK_FALSE(parse_policy(R"({"destination": "-oProxyCommand=x"})", "mine").ok());
}

TEST_CASE("engines: the profile of system calls has no call that makes namespaces or mounts") {
    const auto profile = nlohmann::json::parse(seccomp_profile());
    CHECK(profile["defaultAction"] == "SCMP_ACT_ERRNO");
    for (const auto& rule : profile["syscalls"]) {
        for (const auto& name : rule["names"]) {
            const bool allowed = rule["action"] == "SCMP_ACT_ALLOW";
            CHECK_FALSE(
                (allowed && (name == "mount" || name == "unshare" || name == "bpf" || name == "ptrace")));
        }
    }
}
