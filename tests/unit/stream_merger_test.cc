// Text that comes in fast turns: merged, in order, none of it lost.
#include "kernel/server/stream_merger.h"
#include "tests/unit/catch.h"

#include <string>

using namespace cellblock::kernel;
using namespace cellblock::sandbox;
using namespace std::chrono_literals;

namespace {

constexpr auto kOut = StreamName::standard_output;
constexpr auto kError = StreamName::standard_error;

struct Stage {
    std::vector<StreamOutput> sent;
    StreamMerger merger{[this](const StreamOutput& output) { sent.push_back(output); }};
    StreamMerger::TimePoint now{1h};

    void add(const std::string& text, StreamName name = kOut, CellId cell = 1) {
        merger.add(StreamOutput{cell, name, text}, now);
    }
    void pass(std::chrono::milliseconds time) {
        now += time;
        merger.release_due(now);
    }
    std::string text(StreamName name, CellId cell = 1) const {
        std::string all;
        for (const auto& one : sent) {
            all += one.name == name && one.cell == cell ? one.text : "";
        }
        return all;
    }
    void use_up_the_budget() {
        for (int i = 0; i < StreamMerger::kBurst; ++i) {
            add("x");
        }
        sent.clear();
    }
};

}  // namespace

TEST_CASE("streams: what comes now and then goes out at once, in its order") {
    Stage stage;
    for (int i = 0; i < 100; ++i) {
        stage.add("o", i % 2 == 0 ? kOut : kError);
        REQUIRE(stage.sent.size() == std::size_t(i) + 1);
        REQUIRE(stage.sent.back().name == (i % 2 == 0 ? kOut : kError));
        stage.pass(5ms);
    }
    REQUIRE_FALSE(stage.merger.next());
}

TEST_CASE("streams: fast turns are merged, and nothing is lost") {
    Stage stage;
    std::string out;
    std::string error;
    constexpr int kRounds = 20'000;
    for (int i = 0; i < kRounds; ++i) {  // in two seconds
        stage.add(std::to_string(i) + "\n", kOut);
        stage.add(std::to_string(-i) + "\n", kError);
        out += std::to_string(i) + "\n";
        error += std::to_string(-i) + "\n";
        if (i % 10 == 0) {
            stage.pass(1ms);
        }
    }
    stage.merger.release(stage.now);
    REQUIRE(stage.text(kOut) == out);
    REQUIRE(stage.text(kError) == error);
    REQUIRE(static_cast<double>(stage.sent.size()) < StreamMerger::kBurst + 2 * StreamMerger::kRate + 10);
    REQUIRE_FALSE(stage.merger.next());
}

TEST_CASE("streams: the first turns of what waits keep their order") {
    Stage stage;
    stage.use_up_the_budget();
    for (const char* text : {"a", "b", "c", "d", "e", "f"}) {
        stage.add(text, (text[0] - 'a') % 2 == 0 ? kOut : kError);
    }
    REQUIRE(stage.sent.empty());
    REQUIRE(stage.merger.next() == stage.now + 20ms);
    stage.pass(19ms);
    REQUIRE(stage.sent.empty());
    stage.pass(1ms);
    REQUIRE(stage.sent.size() == 4);
    REQUIRE(stage.sent[0].text == "a");
    REQUIRE(stage.sent[1].text == "b");
    REQUIRE(stage.sent[2].text == "ce");
    REQUIRE(stage.sent[3].text == "df");
}

TEST_CASE("streams: texts of many cells wait until the rate allows them") {
    Stage stage;
    stage.use_up_the_budget();
    for (CellId cell = 1; cell <= 1000; ++cell) {
        stage.add("x", kOut, cell);
    }
    REQUIRE(stage.merger.next() == stage.now + 5000ms);
    stage.pass(4999ms);
    REQUIRE(stage.sent.empty());
    stage.pass(1ms);
    REQUIRE(stage.sent.size() == 1000);
    REQUIRE(stage.text(kOut, 1000) == "x");
}

TEST_CASE("streams: much text doesn't wait, and what follows a release is merged again") {
    Stage stage;
    stage.use_up_the_budget();
    stage.add(std::string(StreamMerger::kMostBytes, 'x'));
    REQUIRE(stage.sent.empty());
    stage.add("y");
    REQUIRE(stage.sent.size() == 1);
    stage.add("z");
    stage.merger.release(stage.now);
    REQUIRE(stage.sent.size() == 2);
    stage.merger.release(stage.now);
    REQUIRE(stage.sent.size() == 2);
}
