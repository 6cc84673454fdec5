// A debugger's requests: which of them are stopped as queries are, what each gets for an answer.
#include <nlohmann/json.hpp>

#include "sandbox/session/debug_relay.h"
#include "tests/unit/catch.h"

using namespace cellblock::sandbox;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

struct Fixture {
    Policy policy = with_debugger();
    std::deque<Event> events;
    DebugRelay relay{policy, events};
    TimePoint start = TimePoint{} + 1h;

    static Policy with_debugger() {
        Policy policy;
        policy.debugger = true;
        policy.limits.cell_time = 60s;
        policy.limits.grace_time = 2s;
        return policy;
    }

    void ask(DebugId id, const char* command, bool idle) {
        const json request{{"type", "request"}, {"seq", id}, {"command", command}};
        REQUIRE(relay.begin(id, request.dump(), idle, start));
    }
    Status answer(DebugId id, TimePoint when, bool success = true) {
        return relay.take(DebugAnswer{id, RawJson{json{{"success", success}, {"message", "as told"}}.dump()}},
                          when);
    }
    json reply() {
        REQUIRE_FALSE(events.empty());
        const auto taken = std::get<DebugReply>(events.front());
        events.pop_front();
        return json::parse(taken.content.text);
    }
};

}  // namespace

TEST_CASE("what evaluates the user's code between cells is stopped as a query is") {
    Fixture one;
    one.ask(1, "inspectVariables", true);
    CHECK(one.relay.inspecting());
    CHECK(one.relay.next_deadline() == one.start + 10s);
    CHECK(one.relay.step(one.start + 9s) == EscalationAction::none);
    CHECK(one.relay.step(one.start + 10s) == EscalationAction::interrupt);
    SECTION("and is told of where the interrupt was enough") {
        REQUIRE(one.answer(1, one.start + 11s, false));
        CHECK(one.reply()["message"] == "the inspection was stopped after 10 s; your variables are intact");
        CHECK_FALSE(one.relay.inspecting());
    }
    SECTION("and keeps an answer that came all the same") {
        REQUIRE(one.answer(1, one.start + 11s, true));
        CHECK(one.reply()["success"] == true);
    }
    SECTION("up to the worker's end") {
        CHECK(one.relay.step(one.start + 12s) == EscalationAction::kill_worker);
        one.relay.fail_all("it has ended");
        const auto reply = one.reply();
        CHECK(reply["message"] ==
              "the inspection was stopped after 10 s; the session was restarted and variables are lost");
        CHECK(reply["body"]["variables"] == json::array());
        CHECK_FALSE(one.relay.inspecting());
        CHECK_FALSE(one.relay.next_deadline());
    }
}

TEST_CASE("each of several inspections has its time") {
    Fixture one;
    one.ask(1, "variables", true);
    one.ask(2, "evaluate", true);
    REQUIRE(one.answer(1, one.start + 6s));
    CHECK(one.relay.inspecting());
    CHECK(one.relay.next_deadline() == one.start + 16s);
    REQUIRE(one.answer(2, one.start + 7s));
    CHECK_FALSE(one.relay.inspecting());
}

TEST_CASE("a user's interrupt ends an inspection, and nothing else of a debugger's") {
    Fixture one;
    one.ask(1, "stackTrace", true);
    CHECK(one.relay.user_interrupt(one.start) == EscalationAction::none);
    one.ask(2, "richInspectVariables", true);
    CHECK(one.relay.user_interrupt(one.start + 1s) == EscalationAction::interrupt);
    REQUIRE(one.answer(2, one.start + 1s, false));
    CHECK(one.reply()["message"] == "the inspection was interrupted; your variables are intact");
}

TEST_CASE("while there is a cell nothing of a debugger's is pushed, but each request is answered") {
    Fixture one;
    one.ask(1, "inspectVariables", false);
    CHECK_FALSE(one.relay.inspecting());
    CHECK(one.relay.step(one.start + 30s) == EscalationAction::none);
    CHECK(one.reply()["message"] == "the debugger gave no answer within 30 s");
    CHECK(one.answer(1, one.start + 31s));  // too late
    CHECK(one.events.empty());
    CHECK_FALSE(one.answer(1, one.start + 32s));
}

TEST_CASE("where there is no debugger, who asked before that was known is told too") {
    Fixture one;
    one.ask(1, "debugInfo", false);
    REQUIRE(one.relay.take(DebuggerFound{false, false, "3.11.2"}));
    CHECK(one.reply()["message"].get<std::string>().find("no sockets") != std::string::npos);
    CHECK_FALSE(one.relay.begin(2, R"({"command":"initialize"})", true, one.start));
    CHECK(one.reply()["message"].get<std::string>().find("no sockets") != std::string::npos);
}
