// What the history keeps and how it is asked.
#include "kernel/history/history.h"

#include "kernel/history/search.h"
#include "tests/unit/catch.h"

namespace {

using cellblock::kernel::glob_matches;
using cellblock::kernel::History;
using cellblock::kernel::SessionLines;
using nlohmann::json;

History three_lines() {
    History history;
    history.store(1, "1 + 1");
    history.store_output(1, "2");
    history.store(2, "x = 'two'");
    history.store(3, "x * 2");
    history.store_output(3, "'twotwo'");
    return history;
}

}  // namespace

TEST_CASE("tail gives the last lines, oldest first, with integers") {
    History history = three_lines();
    CHECK(history.answer({{"hist_access_type", "tail"}, {"n", 2}}) ==
          json::parse(R"([[1, 2, "x = 'two'"], [1, 3, "x * 2"]])"));
    CHECK(history.answer({{"hist_access_type", "tail"}, {"n", 0}}).empty());
    CHECK(history.answer({{"hist_access_type", "tail"}, {"n", -3}}).empty());
    CHECK(history.answer({{"hist_access_type", "tail"}, {"n", 100}}).size() == 3);
}

TEST_CASE("with output each line is a pair") {
    CHECK(three_lines().answer({{"hist_access_type", "tail"}, {"n", 2}, {"output", true}}) ==
          json::parse(R"([[1, 2, ["x = 'two'", null]], [1, 3, ["x * 2", "'twotwo'"]]])"));
}

TEST_CASE("range is of line numbers, its end excluded, in this session or 0") {
    History history = three_lines();
    for (const int session : {0, History::kSession}) {
        const auto lines =
            history.answer({{"hist_access_type", "range"}, {"session", session}, {"start", 2}, {"stop", 3}});
        CHECK(lines == json::parse(R"([[1, 2, "x = 'two'"]])"));
    }
    CHECK(history.answer({{"hist_access_type", "range"}, {"start", 2}, {"stop", nullptr}}).size() == 2);
    CHECK(history.answer({{"hist_access_type", "range"}, {"start", 5}, {"stop", 2}}).empty());
    CHECK(history.answer({{"hist_access_type", "range"}, {"session", -1}}).empty());
}

TEST_CASE("search takes a pattern, n, and unique") {
    History history = three_lines();
    history.store(4, "x * 2");
    const auto find = [&](json more) {
        json request{{"hist_access_type", "search"}};
        request.update(more);
        return history.answer(request);
    };
    CHECK(find({{"pattern", "x*"}}).size() == 3);
    CHECK(find({{"pattern", "x [*]*"}, {"unique", true}}) == json::parse(R"([[1, 4, "x * 2"]])"));
    CHECK(find({{"pattern", "*"}, {"n", 2}}) == json::parse(R"([[1, 3, "x * 2"], [1, 4, "x * 2"]])"));
    CHECK(find({{"pattern", "nothing"}}).empty());
    CHECK(find({{"pattern", std::string(100'000, '*')}}).empty());
}

TEST_CASE("odd requests are answered") {
    History history = three_lines();
    CHECK(history.answer(json::object()).size() == 3);
    CHECK(history.answer({{"hist_access_type", 5}, {"n", "x"}, {"output", "y"}}).size() == 3);
    CHECK(
        history
            .answer({{"hist_access_type", "range"}, {"session", "a"}, {"start", json::array()}, {"stop", 2}})
            .size() == 1);
}

TEST_CASE("the oldest lines are forgotten") {
    History history;
    for (int line = 1; line <= static_cast<int>(SessionLines::kMaxLines) + 5; ++line) {
        history.store(line, "x");
    }
    const auto all = history.answer({{"hist_access_type", "range"}});
    CHECK(all.size() == SessionLines::kMaxLines);
    CHECK(all[0][1] == 6);
    history.store(20'000, std::string(SessionLines::kMaxBytes - 1, 'x'));
    CHECK(history.answer({{"hist_access_type", "range"}}).size() <= 2);
    history.store(20'001, std::string(SessionLines::kMaxBytes, 'y'));
    CHECK(history.answer({{"hist_access_type", "range"}}).size() == 1);
    history.store_output(1, "of a line that is gone");
    history.store_output(20'001, std::string(SessionLines::kMaxOutputBytes + 1, 'z'));
    CHECK(history.answer({{"hist_access_type", "tail"}, {"n", 1}, {"output", true}})[0][2][1] == nullptr);
}

TEST_CASE("patterns") {
    CHECK(glob_matches("", ""));
    CHECK(glob_matches("*", ""));
    CHECK(glob_matches("a*c", "abbc"));
    CHECK_FALSE(glob_matches("a*c", "abcd"));
    CHECK(glob_matches("*b*d*", "abcde\nf"));
    CHECK(glob_matches("?", "é"));
    CHECK(glob_matches("[a-c]x", "bx"));
    CHECK_FALSE(glob_matches("[^a-c]x", "bx"));
    CHECK(glob_matches("[!a]", "é"));
    CHECK(glob_matches("[à-ü]", "é"));
    CHECK(glob_matches("[]]", "]"));
    CHECK(glob_matches("[", "["));
    CHECK(glob_matches("[a", "[a"));
    CHECK_FALSE(glob_matches("[", "a"));
    CHECK(glob_matches("[^", "[^"));
    CHECK_FALSE(glob_matches("A", "a"));
    // Many stars cost no exponential time.
    CHECK_FALSE(glob_matches("*a*a*a*a*a*a*a*a*a*a*a*a*b", std::string(20'000, 'a')));
}
