// What requests mean that leave fields out or give wrong ones.
#include "kernel/server/request_content.h"

#include "kernel/server/execution.h"
#include "kernel/server/request_dispatcher.h"
#include "tests/unit/catch.h"

namespace {

using namespace cellblock::kernel;
using nlohmann::json;

json whole(const std::string& type, const json& content) {
    auto made = whole_content(type, content);
    REQUIRE(made.ok());
    return *made;
}

std::string metadata_of(const std::string& text) {
    Message request;
    request.metadata_text = text;
    return worker_metadata(request);
}

}  // namespace

TEST_CASE("a request's metadata may ask for a time limit") {
    CHECK(requested_time("{}") == std::nullopt);
    CHECK(requested_time(R"({"cellblock": {}})") == std::nullopt);
    CHECK(requested_time(R"({"cellblock": 5})") == std::nullopt);
    CHECK(requested_time(R"({"other": {"cellblock": {"timeout": 1}}})") == std::nullopt);
    CHECK(requested_time(R"({"cellblock": {"timeout": 0.5}})") == "0.5");
    CHECK(requested_time(R"({"cellblock": {"timeout": "2m"}})") == "2m");
    CHECK(requested_time(R"({"cellblock": {"timeout": ""}})") == "");
    CHECK(requested_time(R"({"cellblock": {"timeout": [1]}})") == "[1]");
    CHECK(requested_time(R"({"cellblock": {"timeout": null}})") == "null");
}

TEST_CASE("an execute request's omitted fields have the protocol's defaults") {
    CHECK(whole("execute_request", {{"code", "1"}}) == json{{"code", "1"},
                                                            {"silent", false},
                                                            {"store_history", true},
                                                            {"user_expressions", json::object()},
                                                            {"allow_stdin", false},
                                                            {"stop_on_error", true}});
}

TEST_CASE("fields of a wrong type count as omitted") {
    const json content = whole("execute_request", {{"code", "1"},
                                                   {"silent", "yes"},
                                                   {"store_history", json::array()},
                                                   {"allow_stdin", 1},
                                                   {"stop_on_error", nullptr}});
    CHECK(content == whole("execute_request", {{"code", "1"}}));
}

TEST_CASE("what is silent isn't stored") {
    CHECK(whole("execute_request", {{"code", "1"}, {"silent", true}})["store_history"] == false);
}

TEST_CASE("a request without code as a text is an error") {
    for (const char* type :
         {"execute_request", "complete_request", "inspect_request", "is_complete_request"}) {
        CHECK_FALSE(whole_content(type, json::object()).ok());
        CHECK_FALSE(whole_content(type, {{"code", 1}}).ok());
        CHECK_FALSE(whole_content(type, {{"code", nullptr}}).ok());
        CHECK(whole_content(type, {{"code", ""}}).ok());
    }
}

TEST_CASE("a cell's code is moved, not copied") {
    json content{{"code", std::string(10'000, 'x')}};
    const char* const code = content["code"].get_ref<const std::string&>().data();
    auto made = whole_content("execute_request", std::move(content));
    REQUIRE(made.ok());
    CHECK((*made)["code"].get_ref<const std::string&>().data() == code);
}

TEST_CASE("user_expressions must be an object of texts") {
    CHECK(whole("execute_request",
                {{"code", ""}, {"user_expressions", {{"a", "1"}}}})["user_expressions"]["a"] == "1");
    CHECK(whole("execute_request", {{"code", ""}, {"user_expressions", nullptr}})["user_expressions"] ==
          json::object());
    CHECK_FALSE(whole_content("execute_request", {{"code", ""}, {"user_expressions", 3}}).ok());
    CHECK_FALSE(whole_content("execute_request", {{"code", ""}, {"user_expressions", {{"a", 1}}}}).ok());
}

TEST_CASE("a cursor that isn't in the code is its end, in code points") {
    const std::string code = "é😀x";
    for (const json& cursor :
         {json(-1), json(4), json(99'999'999'999), json("2"), json(nullptr), json(1.5)}) {
        CHECK(whole("complete_request", {{"code", code}, {"cursor_pos", cursor}})["cursor_pos"] == 3);
    }
    CHECK(whole("complete_request", {{"code", code}})["cursor_pos"] == 3);
    CHECK(whole("complete_request", {{"code", code}, {"cursor_pos", 2}})["cursor_pos"] == 2);
    CHECK(whole("inspect_request", {{"code", code}, {"cursor_pos", 0}})["cursor_pos"] == 0);
}

TEST_CASE("detail_level is 0 or 1") {
    const auto detail = [](const json& given) {
        return whole("inspect_request", {{"code", ""}, {"detail_level", given}})["detail_level"];
    };
    CHECK(detail(1) == 1);
    for (const json& odd : {json(0), json(2), json(-1), json("b"), json(nullptr)}) {
        CHECK(detail(odd) == 0);
    }
}

TEST_CASE("the worker gets the client's metadata unless it is huge") {
    CHECK(metadata_of("{}") == "{}");
    CHECK(metadata_of(R"({"cellId":"a","n":12345678901234567890123})") ==
          R"({"cellId":"a","n":12345678901234567890123})");
    CHECK(metadata_of("{\"x\":" + std::string(50, '[') + std::string(50, ']') + "}") == "{}");
    CHECK(metadata_of("{\"x\":\"" + std::string(1'000'000, 'x') + "\"}") == "{}");
}

TEST_CASE("reply types") {
    CHECK(reply_type("execute_request") == "execute_reply");
    CHECK(reply_type("odd") == "odd_reply");
}

TEST_CASE("an execute reply is whole, and raw values pass to the letter") {
    cellblock::sandbox::Outcome outcome;
    outcome.user_expressions.text = R"({"a":123456789012345678901234567890})";
    outcome.payload.text = R"([{"source":"page"}])";
    CHECK(execute_reply_content(outcome, 3) ==
          R"({"status":"ok","execution_count":3,"user_expressions":{"a":123456789012345678901234567890},)"
          R"("payload":[{"source":"page"}]})");
    outcome = {};
    outcome.error = cellblock::sandbox::ErrorText{"E", "bad \xff", {"one", "two"}};
    CHECK(json::parse(execute_reply_content(outcome, 4)) == json{{"status", "error"},
                                                                 {"execution_count", 4},
                                                                 {"ename", "E"},
                                                                 {"evalue", "bad \xEF\xBF\xBD"},
                                                                 {"traceback", {"one", "two"}},
                                                                 {"user_expressions", json::object()},
                                                                 {"payload", json::array()}});
}
