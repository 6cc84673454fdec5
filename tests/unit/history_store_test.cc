// The history that outlives its session.
#include "kernel/history/store.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "kernel/history/history.h"
#include "tests/unit/catch.h"
#include "tests/unit/folder.h"

namespace {

using namespace cellblock::kernel;
using cellblock::tests::Folder;
using nlohmann::json;
namespace fs = std::filesystem;

std::string store_file(const Folder& folder) {
    return folder / "kept/history.sqlite";
}

HistoryStore open_store(const Folder& folder, HistoryStore::Bounds bounds = {}) {
    auto store = HistoryStore::open(store_file(folder), bounds);
    REQUIRE(store.ok());
    return std::move(*store);
}

std::vector<std::string> inputs(const HistoryLines& lines) {
    std::vector<std::string> out;
    for (const auto& line : lines) {
        out.push_back(line.input);
    }
    return out;
}
using Texts = std::vector<std::string>;

void run_session(const Folder& folder, const Texts& cells) {
    History history(store_file(folder));
    int number = 0;
    for (const auto& cell : cells) {
        history.store(++number, cell);
    }
}

mode_t mode_of(const fs::path& path) {
    struct stat info {};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    return info.st_mode & 07777U;
}

}  // namespace

TEST_CASE("history: a later session reaches the lines of earlier ones, its own last") {
    const Folder folder;
    run_session(folder, {"a = 1", "b = 2"});
    run_session(folder, {"c = 3"});
    History history(store_file(folder));
    CHECK(history.answer({{"hist_access_type", "tail"}, {"n", 2}}) ==
          json::parse(R"([[1, 2, "b = 2"], [2, 1, "c = 3"]])"));
    history.store(1, "d = 4");
    CHECK(history.answer({{"hist_access_type", "tail"}, {"n", 3}}) ==
          json::parse(R"([[1, 2, "b = 2"], [2, 1, "c = 3"], [3, 1, "d = 4"]])"));
    CHECK(history.answer({{"hist_access_type", "tail"}, {"n", 1}}).size() == 1);
}

TEST_CASE("history: ranges of this session, of one by number, and of those before") {
    const Folder folder;
    run_session(folder, {"a", "b", "c"});
    run_session(folder, {"d"});
    History history(store_file(folder));
    history.store(1, "e");
    const auto range = [&](int session, json more = json::object()) {
        json request{{"hist_access_type", "range"}, {"session", session}};
        request.update(more);
        return history.answer(request);
    };
    CHECK(range(0) == json::parse(R"([[3, 1, "e"]])"));
    CHECK(range(3) == range(0));
    CHECK(range(-1) == json::parse(R"([[2, 1, "d"]])"));
    CHECK(range(-2, {{"start", 1}, {"stop", 3}}) == json::parse(R"([[1, 1, "a"], [1, 2, "b"]])"));
    CHECK(range(1, {{"start", 2}}) == json::parse(R"([[1, 2, "b"], [1, 3, "c"]])"));
    CHECK(range(-3).empty());
    CHECK(history.answer({{"hist_access_type", "range"}, {"session", INT64_MIN}}).empty());
}

TEST_CASE("history: a search goes through all sessions") {
    const Folder folder;
    run_session(folder, {"x = 1", "print(x)", "x = 1"});
    History history(store_file(folder));
    history.store(1, "x = 1");
    history.store(2, "x = 2");
    const auto find = [&](json more) {
        json request{{"hist_access_type", "search"}};
        request.update(more);
        return history.answer(request);
    };
    CHECK(find({{"pattern", "x*"}}).size() == 4);
    CHECK(find({{"pattern", "x*"}, {"unique", true}}) ==
          json::parse(R"([[2, 1, "x = 1"], [2, 2, "x = 2"]])"));
    CHECK(find({{"pattern", "*(x)"}}) == json::parse(R"x([[1, 2, "print(x)"]])x"));
    CHECK(find({{"pattern", "*"}, {"n", 3}}).front()[0] == 1);
}

TEST_CASE("history: two kernels use the file at once, and neither takes the other's lines for its own") {
    const Folder folder;
    History one(store_file(folder));
    History two(store_file(folder));
    for (int number = 1; number <= 50; ++number) {
        one.store(number, "one");
        two.store(number, "two");
    }
    CHECK(one.answer({{"hist_access_type", "range"}, {"session", 0}}).size() == 50);
    CHECK(one.answer({{"hist_access_type", "search"}, {"pattern", "*"}}).size() == 100);
    CHECK(one.answer({{"hist_access_type", "tail"}, {"n", 51}})[0][2] == "two");
}

TEST_CASE("history: bounded in lines and in bytes, the oldest go") {
    const Folder folder;
    {
        auto store = open_store(folder);
        for (int number = 1; number <= 20; ++number) {
            REQUIRE(store.add(number, "x" + std::to_string(number)).ok());
        }
        REQUIRE(store.add(21, std::string(HistoryStore::kMaxInput + 1, 'x')).ok());  // not kept
    }
    CHECK(inputs(*open_store(folder, {.lines = 2, .bytes = 1000}).tail(100)) == Texts({"x19", "x20"}));
    CHECK(inputs(*open_store(folder, {.lines = 2, .bytes = 5}).tail(100)) == Texts({"x20"}));
}

TEST_CASE("history: a session without lines takes no number") {
    const Folder folder;
    for (int n = 0; n < 3; ++n) {
        History empty(store_file(folder));
        CHECK(empty.answer({{"hist_access_type", "tail"}}).empty());
    }
    run_session(folder, {"a"});
    CHECK(*open_store(folder).session() == 2);
}

TEST_CASE("history: the file is its owner's alone") {
    const Folder folder;
    run_session(folder, {"a"});
    CHECK(mode_of(store_file(folder)) == 0600);
    CHECK(mode_of(fs::path(store_file(folder)).parent_path()) == 0700);
    fs::permissions(store_file(folder), fs::perms::others_write, fs::perm_options::add);
    CHECK_FALSE(HistoryStore::open(store_file(folder), {}).ok());
}

TEST_CASE("history: without a file that can be used the session's own lines are there") {
    const Folder folder;
    fs::create_directories(fs::path(store_file(folder)).parent_path());
    std::string file = store_file(folder);
    SECTION("no database") {
        std::ofstream(file) << std::string(10'000, 'x');
    }
    SECTION("a link") {
        fs::create_symlink("/etc/passwd", file);
    }
    SECTION("a folder") {
        fs::create_directory(file);
    }
    SECTION("nowhere") {
        file = "/proc/nowhere/history.sqlite";
    }
    SECTION("tables of another kind") {
        auto database = Database::open(file);
        REQUIRE(database.ok());
        REQUIRE(database->run("CREATE TABLE inputs (other)").ok());
        REQUIRE(database->run("PRAGMA user_version=1").ok());
    }
    SECTION("of a newer version") {
        auto database = Database::open(file);
        REQUIRE(database.ok());
        REQUIRE(database->run("PRAGMA user_version=2").ok());
    }
    History history(file);
    history.store(1, "a");
    CHECK(history.answer({{"hist_access_type", "tail"}}) == json::parse(R"([[1, 1, "a"]])"));
    CHECK_FALSE(history.answer(cellblock::sandbox::HistoryQuestion{}).error.empty());
}

TEST_CASE("history: the answer to a cell is bounded, and keeps the newest") {
    const Folder folder;
    run_session(folder, Texts(40, std::string(60'000, 'x')));
    History history(store_file(folder));
    history.store(1, "newest");
    cellblock::sandbox::HistoryQuestion question;
    question.n = 10'000;
    const auto answer = history.answer(question);
    CHECK(answer.error.empty());
    CHECK(answer.lines.size() <= History::kAnswerBytes + 10'000);
    const json lines = json::parse(answer.lines);
    CHECK(lines.size() > 10);
    CHECK(lines.back()[2] == "newest");
}

TEST_CASE("history: a costly pattern is given up in time") {
    const Folder folder;
    run_session(folder, Texts(200, std::string(60'000, 'a')));
    History history(store_file(folder));
    const auto begun = std::chrono::steady_clock::now();
    json request{{"hist_access_type", "search"}, {"pattern", "*" + std::string(200, 'a') + "b*"}};
    CHECK(history.answer(request).empty());
    CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds(5));
}

TEST_CASE("history: where it is kept") {
    CHECK_FALSE(history_file("none").has_value());
    CHECK(history_file("/a/b") == "/a/b");
    CHECK(history_file("keep")->ends_with("/cellblock/history.sqlite"));
}
