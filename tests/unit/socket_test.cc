// Sockets: waiting for one keeps its bound.
#include "sandbox/base/socket.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <chrono>
#include <csignal>

#include "tests/unit/catch.h"

using namespace cellblock::sandbox;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

TEST_CASE("signals that come often don't make the wait for a socket longer") {
    auto pair = make_socket_pair(SOCK_STREAM, "test");
    REQUIRE(pair);
    // The signals stop by themselves, so that a wait without a bound ends as well.
    static int left = 0;
    left = 400;
    struct sigaction counted {};
    struct sigaction before {};
    counted.sa_handler = [](int) {
        if (--left == 0) {
            const itimerval never{};
            ::setitimer(ITIMER_REAL, &never, nullptr);
        }
    };
    REQUIRE(::sigaction(SIGALRM, &counted, &before) == 0);
    const itimerval often{{0, 50'000}, {0, 50'000}};
    REQUIRE(::setitimer(ITIMER_REAL, &often, nullptr) == 0);
    const auto begin = Clock::now();
    CHECK_FALSE(is_readable(pair->ours.get(), 500ms));
    const auto waited = Clock::now() - begin;
    CHECK(waited >= 500ms);
    CHECK(waited < 15s);
    REQUIRE(::write(pair->theirs.get(), "x", 1) == 1);
    CHECK(is_readable(pair->ours.get(), 15s));
    const itimerval never{};
    ::setitimer(ITIMER_REAL, &never, nullptr);
    ::sigaction(SIGALRM, &before, nullptr);
}
