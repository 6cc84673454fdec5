// The deadline ladder, rung by rung.
#include "sandbox/session/escalation.h"
#include "tests/unit/catch.h"

using namespace cellblock::sandbox;
using namespace std::chrono_literals;

namespace {
const DeadlineLadder::TimePoint kStart{};
}

TEST_CASE("each rung is due once, in order") {
    DeadlineLadder ladder(kStart, 10s, 2s);
    REQUIRE(ladder.next() == kStart + 10s);
    REQUIRE(ladder.step(kStart + 9999ms) == Push::none);
    REQUIRE(ladder.step(kStart + 10s) == Push::interrupt);
    REQUIRE(ladder.step(kStart + 10s) == Push::none);
    REQUIRE(ladder.cause() == PushCause::deadline);
    REQUIRE(ladder.step(kStart + 12s) == Push::kill_worker);
    REQUIRE(ladder.step(kStart + 14s) == Push::kill_sandbox);
    REQUIRE(ladder.step(kStart + 99s) == Push::none);
    REQUIRE_FALSE(ladder.next());
    REQUIRE(ladder.rung() == Rung::sandbox_killed);
}

TEST_CASE("a late step climbs one rung at a time with its full grace") {
    DeadlineLadder ladder(kStart, 10s, 2s);
    REQUIRE(ladder.step(kStart + 100s) == Push::interrupt);
    REQUIRE(ladder.step(kStart + 101s) == Push::none);
    REQUIRE(ladder.step(kStart + 102s) == Push::kill_worker);
}

TEST_CASE("a pause moves the deadline by its length") {
    DeadlineLadder ladder(kStart, 10s, 2s);
    ladder.pause(kStart + 4s);
    REQUIRE_FALSE(ladder.next());
    REQUIRE(ladder.step(kStart + 1000s) == Push::none);
    ladder.resume(kStart + 1000s);
    REQUIRE(ladder.next() == kStart + 1006s);
}

TEST_CASE("the user's interrupt ends a pause, and waits until the deadline") {
    DeadlineLadder ladder(kStart, 10s, 2s);
    ladder.pause(kStart + 1s);
    REQUIRE(ladder.user_interrupt(kStart + 2s) == Push::interrupt);
    REQUIRE(ladder.cause() == PushCause::user);
    REQUIRE(ladder.next() == kStart + 4s);
    REQUIRE(ladder.step(kStart + 4s) == Push::warn);
    REQUIRE(ladder.step(kStart + 4s) == Push::none);
    REQUIRE(ladder.next() == kStart + 11s);
    SECTION("which climbs as ever") {
        REQUIRE(ladder.step(kStart + 11s) == Push::interrupt);
        REQUIRE(ladder.cause() == PushCause::deadline);
        REQUIRE(ladder.user_interrupt(kStart + 12s) == Push::none);
        REQUIRE(ladder.step(kStart + 13s) == Push::kill_worker);
        REQUIRE(ladder.step(kStart + 15s) == Push::kill_sandbox);
    }
    SECTION("but a second one kills") {
        REQUIRE(ladder.user_interrupt(kStart + 5s) == Push::kill_worker);
        REQUIRE(ladder.cause() == PushCause::user);
        REQUIRE(ladder.user_interrupt(kStart + 6s) == Push::none);
        REQUIRE(ladder.step(kStart + 7s) == Push::kill_sandbox);
        REQUIRE_FALSE(ladder.next());
    }
}

TEST_CASE("impatience costs nothing: only an interrupt made after the warning kills") {
    DeadlineLadder ladder(kStart, 10s, 2s);
    REQUIRE(ladder.user_interrupt(kStart) == Push::interrupt);
    REQUIRE(ladder.user_interrupt(kStart + 99ms) == Push::none);
    REQUIRE(ladder.user_interrupt(kStart + 1s) == Push::interrupt);
    REQUIRE(ladder.user_interrupt(kStart + 1999ms) == Push::interrupt);
    REQUIRE(ladder.step(kStart + 2s) == Push::warn);
    REQUIRE(ladder.user_interrupt(kStart + 2499ms) == Push::interrupt);
    REQUIRE(ladder.rung() == Rung::interrupt);
    REQUIRE(ladder.user_interrupt(kStart + 2500ms) == Push::kill_worker);
}

TEST_CASE("where a warning can't be seen, only the deadline kills") {
    DeadlineLadder ladder(kStart, 10s, 2s, Warnings::unseen);
    REQUIRE(ladder.user_interrupt(kStart) == Push::interrupt);
    REQUIRE(ladder.next() == kStart + 10s);
    REQUIRE(ladder.step(kStart + 5s) == Push::none);
    REQUIRE(ladder.user_interrupt(kStart + 5s) == Push::interrupt);
    REQUIRE(ladder.step(kStart + 10s) == Push::interrupt);
    REQUIRE(ladder.step(kStart + 12s) == Push::kill_worker);
}

TEST_CASE("a cell that has handled an interrupt begins anew") {
    DeadlineLadder ladder(kStart, 10s, 2s);
    ladder.user_interrupt(kStart);
    REQUIRE(ladder.step(kStart + 2s) == Push::warn);
    ladder.went_on();
    REQUIRE(ladder.rung() == Rung::none);
    REQUIRE(ladder.cause() == PushCause::none);
    ladder.pause(kStart + 3s);
    REQUIRE_FALSE(ladder.next());
    REQUIRE(ladder.user_interrupt(kStart + 5s) == Push::interrupt);
    REQUIRE(ladder.step(kStart + 7s) == Push::warn);
    REQUIRE(ladder.step(kStart + 12s) == Push::interrupt);
    ladder.went_on();
    REQUIRE(ladder.rung() == Rung::interrupt);
}
