// Escalation at the deadline and by the user, step by step.
#include "sandbox/session/escalation.h"
#include "tests/unit/catch.h"

using namespace cellblock::sandbox;
using namespace std::chrono_literals;

namespace {
const Escalation::TimePoint kStart{};
}

TEST_CASE("each step is due once, in order") {
    Escalation escalation(kStart, 10s, 2s);
    REQUIRE(escalation.next_deadline() == kStart + 10s);
    REQUIRE(escalation.advance(kStart + 9999ms) == EscalationAction::none);
    REQUIRE(escalation.advance(kStart + 10s) == EscalationAction::interrupt);
    REQUIRE(escalation.advance(kStart + 10s) == EscalationAction::none);
    REQUIRE(escalation.cause() == EscalationCause::deadline);
    REQUIRE(escalation.advance(kStart + 12s) == EscalationAction::kill_worker);
    REQUIRE(escalation.advance(kStart + 14s) == EscalationAction::kill_sandbox);
    REQUIRE(escalation.advance(kStart + 99s) == EscalationAction::none);
    REQUIRE_FALSE(escalation.next_deadline());
    REQUIRE(escalation.step() == EscalationStep::sandbox_killed);
}

TEST_CASE("a late step takes one step at a time with its full grace") {
    Escalation escalation(kStart, 10s, 2s);
    REQUIRE(escalation.advance(kStart + 100s) == EscalationAction::interrupt);
    REQUIRE(escalation.advance(kStart + 101s) == EscalationAction::none);
    REQUIRE(escalation.advance(kStart + 102s) == EscalationAction::kill_worker);
}

TEST_CASE("a pause moves the deadline by its length") {
    Escalation escalation(kStart, 10s, 2s);
    escalation.pause(kStart + 4s);
    REQUIRE_FALSE(escalation.next_deadline());
    REQUIRE(escalation.advance(kStart + 1000s) == EscalationAction::none);
    escalation.resume(kStart + 1000s);
    REQUIRE(escalation.next_deadline() == kStart + 1006s);
}

TEST_CASE("the user's interrupt ends a pause, and waits until the deadline") {
    Escalation escalation(kStart, 10s, 2s);
    escalation.pause(kStart + 1s);
    REQUIRE(escalation.user_interrupt(kStart + 2s) == EscalationAction::interrupt);
    REQUIRE(escalation.cause() == EscalationCause::user);
    REQUIRE(escalation.next_deadline() == kStart + 4s);
    REQUIRE(escalation.advance(kStart + 4s) == EscalationAction::warn);
    REQUIRE(escalation.advance(kStart + 4s) == EscalationAction::none);
    REQUIRE(escalation.next_deadline() == kStart + 11s);
    SECTION("which goes through its steps as ever") {
        REQUIRE(escalation.advance(kStart + 11s) == EscalationAction::interrupt);
        REQUIRE(escalation.cause() == EscalationCause::deadline);
        REQUIRE(escalation.user_interrupt(kStart + 12s) == EscalationAction::none);
        REQUIRE(escalation.advance(kStart + 13s) == EscalationAction::kill_worker);
        REQUIRE(escalation.advance(kStart + 15s) == EscalationAction::kill_sandbox);
    }
    SECTION("but a second one kills") {
        REQUIRE(escalation.user_interrupt(kStart + 5s) == EscalationAction::kill_worker);
        REQUIRE(escalation.cause() == EscalationCause::user);
        REQUIRE(escalation.user_interrupt(kStart + 6s) == EscalationAction::none);
        REQUIRE(escalation.advance(kStart + 7s) == EscalationAction::kill_sandbox);
        REQUIRE_FALSE(escalation.next_deadline());
    }
}

TEST_CASE("impatience costs nothing: only an interrupt made after the warning kills") {
    Escalation escalation(kStart, 10s, 2s);
    REQUIRE(escalation.user_interrupt(kStart) == EscalationAction::interrupt);
    REQUIRE(escalation.user_interrupt(kStart + 99ms) == EscalationAction::none);
    REQUIRE(escalation.user_interrupt(kStart + 1s) == EscalationAction::interrupt);
    REQUIRE(escalation.user_interrupt(kStart + 1999ms) == EscalationAction::interrupt);
    REQUIRE(escalation.advance(kStart + 2s) == EscalationAction::warn);
    REQUIRE(escalation.user_interrupt(kStart + 2499ms) == EscalationAction::interrupt);
    REQUIRE(escalation.step() == EscalationStep::interrupt);
    REQUIRE(escalation.user_interrupt(kStart + 2500ms) == EscalationAction::kill_worker);
}

TEST_CASE("where a warning can't be seen, only the deadline kills") {
    Escalation escalation(kStart, 10s, 2s, Warnings::unseen);
    REQUIRE(escalation.user_interrupt(kStart) == EscalationAction::interrupt);
    REQUIRE(escalation.next_deadline() == kStart + 10s);
    REQUIRE(escalation.advance(kStart + 5s) == EscalationAction::none);
    REQUIRE(escalation.user_interrupt(kStart + 5s) == EscalationAction::interrupt);
    REQUIRE(escalation.advance(kStart + 10s) == EscalationAction::interrupt);
    REQUIRE(escalation.advance(kStart + 12s) == EscalationAction::kill_worker);
}

TEST_CASE("a cell that has handled an interrupt begins anew") {
    Escalation escalation(kStart, 10s, 2s);
    escalation.user_interrupt(kStart);
    REQUIRE(escalation.advance(kStart + 2s) == EscalationAction::warn);
    escalation.cell_continues();
    REQUIRE(escalation.step() == EscalationStep::none);
    REQUIRE(escalation.cause() == EscalationCause::none);
    escalation.pause(kStart + 3s);
    REQUIRE_FALSE(escalation.next_deadline());
    REQUIRE(escalation.user_interrupt(kStart + 5s) == EscalationAction::interrupt);
    REQUIRE(escalation.advance(kStart + 7s) == EscalationAction::warn);
    REQUIRE(escalation.advance(kStart + 12s) == EscalationAction::interrupt);
    escalation.cell_continues();
    REQUIRE(escalation.step() == EscalationStep::interrupt);
}
