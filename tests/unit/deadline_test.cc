// The deadline ladder, rung by rung.
#include "sandbox/deadline.h"

#include <catch2/catch.hpp>

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

TEST_CASE("the user's interrupt ends a pause and is made once") {
    DeadlineLadder ladder(kStart, 10s, 2s);
    ladder.pause(kStart + 1s);
    REQUIRE(ladder.user_interrupt(kStart + 2s) == Push::interrupt);
    REQUIRE(ladder.user_interrupt(kStart + 2s) == Push::none);
    REQUIRE(ladder.cause() == PushCause::user);
    REQUIRE(ladder.step(kStart + 4s) == Push::kill_worker);
}
