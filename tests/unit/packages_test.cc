// packages: what a requirement, a wheel's name and a builder's path may be; frames of builders.
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "sandbox/api/policy.h"
#include "sandbox/base/digests.h"
#include "sandbox/base/files.h"
#include "sandbox/packages/builder_messages.h"
#include "sandbox/packages/package_folder.h"
#include "sandbox/packages/tree_writer.h"
#include "sandbox/policy/requirement.h"
#include "tests/unit/catch.h"
#include "tests/unit/folder.h"

using namespace cellblock::sandbox;
using cellblock::tests::Folder;
namespace fs = std::filesystem;

namespace {

PackageRules allowing(std::vector<std::string> allow) {
    PackageRules rules;
    rules.allow = std::move(allow);
    return rules;
}

Frame frame_of(nlohmann::json header, std::vector<std::string> buffers = {}) {
    return Frame{std::move(header), std::move(buffers)};
}

}  // namespace

TEST_CASE("requirement: a name, extras and versions, and nothing else") {
    for (const char* good : {"pandas", "A", "a.b_c-d", "pandas>=2", "pandas >= 2, < 3", "x==1.*", "x!=2.0",
                             "x~=1.4.2", "x[a,b-c]>1", "x==1!2.0+local.1", "x<=2024.1rc1"}) {
        CHECK(parse_requirement(good).ok());
    }
    for (const char* bad : {"",
                            " ",
                            "-",
                            "-r x",
                            "--pre",
                            "a b",
                            "x>",
                            "x=1",
                            "x===1",
                            "x>=1,",
                            "x>=1,,<2",
                            "x;python_version>'3'",
                            "x @ http://y",
                            "x@1",
                            "./x",
                            "/x",
                            "x/y",
                            "x[",
                            "x[]",
                            "x[a",
                            "x[a,]",
                            "x\n--pre",
                            "x#y",
                            "x==1 --hash=z",
                            "x>1.*",
                            "ü",
                            "x>=ü",
                            "x\\"}) {
        CHECK_FALSE(parse_requirement(bad).ok());
    }
    CHECK_FALSE(parse_requirement(std::string(300, 'x')).ok());
    CHECK(parse_requirement(" Pandas [perf] >= 2 , <3")->text() == "Pandas[perf]>=2,<3");
}

TEST_CASE("requirement: names are compared in their normal form") {
    CHECK(normal_name("Foo_Bar..baz") == "foo-bar-baz");
    CHECK(is_allowed("FOO.bar", allowing({"foo-bar>1"})));
    CHECK_FALSE(is_allowed("foobar", allowing({"foo-bar"})));
    CHECK(is_allowed("anything", allowing({"*"})));
    CHECK_FALSE(is_allowed("anything", allowing({})));
}

TEST_CASE("requirement: an order refuses by name and bounds all that the policy bounds") {
    const auto rules = allowing({"pandas>=2,<3", "Num_Py<2", "seaborn"});
    const auto order = package_order({"pandas==2.1", "seaborn"}, rules, "p");
    REQUIRE(order);
    CHECK(order->requirements == std::vector<std::string>{"pandas==2.1", "seaborn"});
    CHECK(order->constraints == std::vector<std::string>{"pandas>=2,<3", "num-py<2"});
    const auto refused = package_order({"pandas", "evil"}, rules, "p");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().text().find("evil") != std::string::npos);
    CHECK(refused.error().text().find("packages.allow") != std::string::npos);
    CHECK_FALSE(package_order({}, rules, "p"));
    CHECK_FALSE(package_order(std::vector<std::string>(33, "pandas"), rules, "p"));
}

TEST_CASE("wheel: name and version by the file's name") {
    const auto wheel =
        parse_wheel_name("Some_Name-1.0+cpu-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl");
    REQUIRE(wheel);
    CHECK(wheel->pin() == "some-name==1.0+cpu");
    for (const char* bad :
         {"", ".whl", "x.whl", "x-1-py3-none.whl", "x-1-py3-none-any.tar.gz", "../x-1-py3-none-any.whl",
          "x-1-a-b-c-d-e.whl", "-1-py3-none-any.whl", "x--py3-none-any.whl", "x-1-py3-none-any .whl",
          "x-1-py3-none-a/y.whl", "x-1-py3-none-any\n.whl"}) {
        CHECK_FALSE(parse_wheel_name(bad).ok());
    }
}

TEST_CASE("tree_writer: paths stay below the folder") {
    for (const char* good : {"a", "a/b.py", ".hidden", "a..b/c", "x y"}) {
        CHECK(is_plain_path(good));
    }
    for (const char* bad :
         {"", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "a\nb", "\x7f", "\xff"}) {
        CHECK_FALSE(is_plain_path(bad));
    }
    CHECK_FALSE(is_plain_path(std::string(600, 'a')));
    std::string deep = "a";
    for (int i = 0; i < 40; ++i) {
        deep += "/a";
    }
    CHECK_FALSE(is_plain_path(deep));
}

TEST_CASE("tree_writer: sizes, counts and order have bounds; modes are plain") {
    const Folder folder;
    TreeWriter writer(folder.path, {10, 3});
    REQUIRE(writer.begin_file("a/b", 4, true));
    CHECK_FALSE(writer.begin_file("c", 1, false));  // the first has no end yet
    REQUIRE(writer.add("ab"));
    CHECK_FALSE(writer.complete());
    CHECK_FALSE(writer.add("cde"));
    REQUIRE(writer.add("cd"));
    CHECK(writer.complete());
    CHECK(writer.last_digest() == sha256("abcd"));
    CHECK(file_text(folder / "a/b") == "abcd");
    struct stat info {};
    REQUIRE(::stat((folder / "a/b").c_str(), &info) == 0);
    CHECK((info.st_mode & 07777U) == 0755);
    CHECK_FALSE(writer.begin_file("a/b", 1, false));  // it is there
    CHECK_FALSE(writer.begin_file("big", 7, false));
    REQUIRE(writer.begin_file("empty", 0, false));
    CHECK(writer.complete());
}

TEST_CASE("builder frames: the schema is checked") {
    CHECK(decode_builder_frame(frame_of({{"type", "done"}})).ok());
    CHECK(decode_builder_frame(frame_of({{"type", "data"}, {"bytes", 0U}}, {"x"})).ok());
    CHECK_FALSE(decode_builder_frame(frame_of({{"type", "data"}, {"bytes", 1U}}, {"x"})).ok());
    CHECK_FALSE(decode_builder_frame(frame_of({{"type", "data"}})).ok());
    CHECK(
        decode_builder_frame(frame_of({{"type", "file"}, {"path", "a"}, {"size", 1U}, {"executable", false}}))
            .ok());
    CHECK_FALSE(
        decode_builder_frame(frame_of({{"type", "file"}, {"path", "a"}, {"size", -1}, {"executable", false}}))
            .ok());
    CHECK(decode_builder_frame(frame_of({{"type", "resolved"}, {"files", {"a"}}, {"digests", {""}}})).ok());
    CHECK_FALSE(decode_builder_frame(
                    frame_of({{"type", "resolved"}, {"files", {"a"}}, {"digests", nlohmann::json::array()}}))
                    .ok());
    CHECK_FALSE(decode_builder_frame(frame_of({{"type", "note"}, {"text", std::string(501, 'x')}})).ok());
    CHECK_FALSE(decode_builder_frame(frame_of({{"type", "configure"}})).ok());
}

TEST_CASE("package folder: shows entries, replaces a version, is found again, is removed") {
    const Folder home;
    ::setenv("XDG_CACHE_HOME", home.path.c_str(), 1);
    auto store = PackageStore::open();
    REQUIRE(store);
    const auto entry = [&](const std::string& key, const std::string& file, const std::string& text) {
        fs::create_directories(store->entry(key) + "/pkg");
        std::ofstream(store->entry(key) + "/pkg/" + file) << text;
        return store->entry(key);
    };
    const auto first = entry("one", "old.py", "1");
    const auto second = entry("two", "new.py", "22");
    std::string path;
    {
        auto folder = PackageFolder::open(*store, "name");
        REQUIRE(folder);
        path = folder->seen();
        REQUIRE(folder->add({"pkg-1-py3-none-any.whl", "pkg", "1"}, first, 100));
        CHECK(file_text(path + "/pkg/old.py") == "1");
        REQUIRE(folder->add({"pkg-2-py3-none-any.whl", "pkg", "2"}, second, 100));
        CHECK_FALSE(fs::exists(path + "/pkg/old.py"));
        CHECK(file_text(path + "/pkg/new.py") == "22");
        CHECK(folder->installed().at("pkg") == "2");
        fs::create_directories(folder->incoming().value().path() + "/gone");  // with the object
        std::ofstream(fs::path(path).parent_path() / "incoming-killed") << "half";
        CHECK_FALSE(PackageFolder::open(*store, "name"));  // one session at a time
        folder->keep();
    }
    {
        auto again = PackageFolder::open(*store, "name");
        REQUIRE(again);
        CHECK(again->installed().at("pkg") == "2");
        CHECK(file_text(again->seen() + "/pkg/new.py") == "22");
        CHECK_FALSE(fs::exists(fs::path(path).parent_path() / "incoming-killed"));
        // An earlier version goes though the store has no entry of it any more.
        fs::remove_all(second);
        REQUIRE(again->add({"pkg-1-py3-none-any.whl", "pkg", "1"}, first, 1));
        CHECK_FALSE(fs::exists(path + "/pkg/new.py"));
        CHECK(again->bytes() == 201);
        again->keep();
    }
    std::ofstream(fs::path(path).parent_path() / "installed.json") << "half";
    {
        auto broken = PackageFolder::open(*store, "name");
        REQUIRE(broken);
        CHECK(broken->installed().empty());
        CHECK(fs::is_empty(broken->seen()));
    }
    CHECK_FALSE(fs::exists(path));
    CHECK(fs::exists(first));
    ::chmod(store->root().c_str(), 0755);
    CHECK(PackageStore::open().ok());  // our own folder is closed again
    ::unsetenv("XDG_CACHE_HOME");
}

TEST_CASE("package store: what was unused for longest goes first") {
    const Folder home;
    ::setenv("XDG_CACHE_HOME", home.path.c_str(), 1);
    const auto store = PackageStore::open();
    REQUIRE(store);
    for (const char* key : {"a", "b", "c"}) {
        const std::string folder = home / std::string("built-") + key;
        fs::create_directory(folder);
        REQUIRE(store->publish(folder, key, 100));
        CHECK(store->bytes_of(key) == 100);
        const auto age = std::chrono::hours(key[0] == 'b' ? 1 : 2);
        fs::last_write_time(store->entry(key), fs::file_time_type::clock::now() - age);
    }
    CHECK(store->has("a"));  // and so it was used now
    store->keep_within(250);
    CHECK(fs::exists(store->entry("a")));
    CHECK(fs::exists(store->entry("b")));
    CHECK_FALSE(fs::exists(store->entry("c")));
    CHECK_FALSE(fs::exists(store->entry("c") + ".bytes"));
    store->keep_within(0);
    CHECK(fs::is_empty(store->root() + "/entries"));
    ::unsetenv("XDG_CACHE_HOME");
}

TEST_CASE("package store: what was used before the clock was set back displaces nothing") {
    const Folder home;
    ::setenv("XDG_CACHE_HOME", home.path.c_str(), 1);
    const auto store = PackageStore::open();
    REQUIRE(store);
    const auto publish = [&](const std::string& key) {
        const std::string folder = home / ("built-" + key);
        fs::create_directory(folder);
        REQUIRE(store->publish(folder, key, 100));
        return store->entry(key);
    };
    const auto now = fs::file_time_type::clock::now();
    const std::string session = store->root() + "/sessions/one";
    fs::create_directory(session);
    for (const auto& path : {publish("early"), session}) {
        fs::last_write_time(path, now + std::chrono::hours(24 * 3653));
    }
    const auto later = PackageStore::open();  // sweeps
    REQUIRE(later);
    CHECK(fs::exists(session));
    CHECK(fs::last_write_time(session) < now + std::chrono::hours(1));
    fs::last_write_time(publish("late"), now + std::chrono::minutes(5));
    later->keep_within(100);
    CHECK(fs::exists(store->entry("late")));
    CHECK_FALSE(fs::exists(store->entry("early")));
    ::unsetenv("XDG_CACHE_HOME");
}

TEST_CASE("policy: packages") {
    const auto parse = [](const std::string& rules) {
        return parse_policy("{\"packages\": " + rules + "}", "p");
    };
    REQUIRE(parse(
        R"({"allow": ["pandas>=2,<3", "*"], "index": "https://example.org/simple", "size": "2GiB", "time": "1m"})"));
    for (const char* bad :
         {R"({"allow": ["x @ http://y"]})", R"({"allow": "pandas"})", R"({"index": "ftp://x"})",
          R"({"index": "http://example.org/simple"})", R"({"index": "https://user:word@example.org/"})",
          R"({"index": "https://"})", R"({"index": "http://127.0.0.1.example.org/"})",
          R"({"index": "https://-x"})", R"({"index": "https://x y"})", R"({"size": "1KiB"})",
          R"({"time": "1ms"})", R"({"dependencies": "no"})", R"({"allowed": []})"}) {
        CHECK_FALSE(parse(bad).ok());
    }
    CHECK(parse(R"({"index": "http://localhost:8080/simple"})").ok());
    CHECK(parse(R"({"index": "http://[::1]:8080/simple"})").ok());
}
