// The output filter: bounds and notes.
#include "tests/unit/catch.h"
#include "tests/unit/whole_output_filter.h"

using namespace cellblock::sandbox;
using cellblock::testing::WholeOutputFilter;

namespace {

Policy with_output(std::uint64_t bytes) {
    Policy policy = builtin_policy();
    policy.limits.output_bytes = bytes;
    return policy;
}

std::string text_of(const std::vector<Event>& events) {
    std::string out;
    for (const auto& event : events) {
        if (const auto* stream = std::get_if<StreamOutput>(&event)) {
            out += stream->text;
        }
    }
    return out;
}

}  // namespace

TEST_CASE("output within the bound passes untouched") {
    WholeOutputFilter filter(with_output(1000));
    REQUIRE(text_of(filter.admit(StreamOutput{1, StreamName::standard_output, "hello"})) == "hello");
    REQUIRE(filter.output_bytes(1) > 0);
}

TEST_CASE("past the bound output is cut once, with a note that names the key") {
    WholeOutputFilter filter(with_output(1000));
    const std::string text =
        text_of(filter.admit(StreamOutput{1, StreamName::standard_output, std::string(5000, 'x')}));
    REQUIRE(text.find("limits.output") != std::string::npos);
    REQUIRE(text.find(std::string(900, 'x')) == 0);
    REQUIRE(text.find(std::string(1001, 'x')) == std::string::npos);
    REQUIRE(filter.admit(StreamOutput{1, StreamName::standard_output, "more"}).empty());
    REQUIRE(filter.admit(ClearOutput{1, false}).empty());
}

TEST_CASE("empty messages cost something as well") {
    WholeOutputFilter filter(with_output(1000));
    int passed = 0;
    for (int i = 0; i < 1000; ++i) {
        passed += filter.admit(ClearOutput{1, true}).size() == 1 ? 1 : 0;
    }
    REQUIRE(passed < 20);
}

TEST_CASE("a display that does not fit is dropped whole; another cell has its own bound") {
    WholeOutputFilter filter(with_output(1000));
    DisplayOutput display;
    display.cell = 1;
    display.data.push_back({"image/png", Bytes{std::string(2000, 'p')}});
    const auto events = filter.admit(display);
    REQUIRE(events.size() == 1);
    REQUIRE(std::holds_alternative<StreamOutput>(events[0]));
    display.cell = 2;
    display.data[0].value = Bytes{"small"};
    REQUIRE(std::holds_alternative<DisplayOutput>(filter.admit(display).at(0)));
}

TEST_CASE("JSON of too many values is no tree: it is left out, and that is told") {
    Policy policy = with_output(64U << 20);
    policy.outputs.comms = {"jupyter.widget"};
    WholeOutputFilter filter(policy);
    std::string many = "{\"a\":[";
    for (int i = 0; i < 300'000; ++i) {
        many += "{},";
    }
    many += "1]}";
    DisplayOutput display;
    display.cell = 1;
    display.data.push_back({"text/plain", "x"});
    display.metadata.text = many;
    const auto shown = filter.admit(display);
    REQUIRE(std::get<DisplayOutput>(shown.at(0)).metadata.text == "{}");
    CommOutput open;
    open.cell = 1;
    open.kind = CommKind::open;
    open.comm_id = "c";
    open.target_name = "jupyter.widget";
    open.data.text = many;
    REQUIRE_THAT(text_of(filter.admit(open)), cellblock::tests::Contains("too many values"));
    REQUIRE(filter.admit_expressions({many}).text == "{}");
    REQUIRE(filter.admit_payload({"[" + many + "]"}).text == "[]");
    REQUIRE_THAT(filter.admit_reply({many}).text, cellblock::tests::Contains("too many values"));
}

TEST_CASE("accounts of old cells are forgotten, the newest kept") {
    WholeOutputFilter filter(with_output(1000));
    for (CellId cell = 1; cell < 5000; ++cell) {
        filter.admit(StreamOutput{cell, StreamName::standard_output, "x"});
    }
    REQUIRE(filter.output_bytes(1) == 0);
    REQUIRE(filter.output_bytes(4999) > 0);
}

TEST_CASE("errors pass, bounded, with their beginning and their end") {
    ErrorText error{"E", std::string(1 << 20, 'v'), {}};
    for (int i = 0; i < 5000; ++i) {
        error.traceback.push_back("line " + std::to_string(i));
    }
    const ErrorText bounded = OutputFilter::bound(error);
    REQUIRE(bounded.evalue.size() < 70'000);
    REQUIRE(bounded.traceback.size() == 1000);
    REQUIRE(bounded.traceback.front() == "line 0");
    REQUIRE(bounded.traceback.back() == "line 4999");
}

TEST_CASE("cells that were forgotten aren't given a fresh bound, however they take turns") {
    WholeOutputFilter filter(with_output(1000));
    const auto print = [&](CellId cell) {
        return text_of(filter.admit(StreamOutput{cell, StreamName::standard_output, std::string(500, 'x')}));
    };
    for (CellId cell = 1; cell < 3000; ++cell) {
        print(cell);
    }
    std::size_t shown = 0;
    for (int i = 0; i < 100; ++i) {
        shown += print(1).size() + print(2).size();
    }
    REQUIRE(shown < 3000);
}

TEST_CASE("what is over the bound isn't looked at, and what grows is counted again") {
    WholeOutputFilter filter(with_output(1000));
    DisplayOutput display;
    display.cell = 1;
    display.data.push_back({"text/unheard-of", std::string(2000, '<')});
    const auto events = filter.admit(display);
    REQUIRE(events.size() == 1);
    REQUIRE(text_of(events).find("unheard-of") == std::string::npos);
    display.cell = 2;
    display.data[0] = {"text/html", std::string(400, '"')};
    const auto grown = filter.admit(display);
    REQUIRE(grown.size() == 1);
    REQUIRE(text_of(grown).find("limits.output") != std::string::npos);
}

TEST_CASE("a cleaner that lies shows no type that the policy does not list") {
    OutputFilter filter(builtin_policy());
    DisplayOutput display;
    display.cell = 1;
    display.data = {{"text/html", "<p>x</p>"}};
    const auto begun = filter.begin(display);
    REQUIRE(begun.task.has_value());
    Cleaned lie;
    lie.parts = {{"application/javascript", "alert(1)"},
                 {"application/vnd.jupyter.widget-view+json", RawJson{R"({"model_id": "m"})"}},
                 {"text/html", "<p>x</p>"},
                 {"metadata", RawJson{"{}"}}};
    const auto events = filter.finish(std::move(display), begun.cost, std::move(lie));
    REQUIRE(events.size() == 1);
    const auto& shown = std::get<DisplayOutput>(events.front());
    REQUIRE(shown.data.size() == 1);
    REQUIRE(shown.data.front().type == "text/html");
}
