// The event loop: what is ready is called, in order, and only while it is watched.
#include "sandbox/base/event_loop.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "sandbox/base/socket.h"
#include "tests/unit/catch.h"

using namespace cellblock::sandbox;
using namespace std::chrono_literals;

namespace {

SocketPair pair_of_sockets() {
    auto made = make_socket_pair(SOCK_STREAM | SOCK_NONBLOCK, "test");
    REQUIRE(made);
    return std::move(*made);
}

}  // namespace

TEST_CASE("the loop calls what is ready in the order in which it was watched") {
    EventLoop loop;
    const auto first = pair_of_sockets();
    const auto second = pair_of_sockets();
    std::string called;
    REQUIRE(loop.watch(second.ours.get(), [&] { called += '1'; }));
    REQUIRE(loop.watch(first.ours.get(), [&] { called += '2'; }));
    REQUIRE(loop.turn(0ms));
    CHECK(called.empty());
    REQUIRE(::write(first.theirs.get(), "x", 1) == 1);
    REQUIRE(::write(second.theirs.get(), "x", 1) == 1);
    REQUIRE(loop.turn(1000ms));
    CHECK(called == "12");
}

TEST_CASE("a callback may forget its own descriptor, and others that are ready too") {
    EventLoop loop;
    const auto first = pair_of_sockets();
    const auto second = pair_of_sockets();
    int calls = 0;
    for (const auto* one : {&first, &second}) {
        REQUIRE(loop.watch(one->ours.get(), [&] {
            ++calls;
            loop.forget(first.ours.get());
            loop.forget(second.ours.get());
        }));
        REQUIRE(::write(one->theirs.get(), "x", 1) == 1);
    }
    REQUIRE(loop.turn(1000ms));
    REQUIRE(loop.turn(0ms));
    CHECK(calls == 1);
}

TEST_CASE("the loop tells what has happened, as far as somebody wants to know") {
    EventLoop loop;
    auto sockets = pair_of_sockets();
    EventLoop::Interest told;
    int calls = 0;
    REQUIRE(loop.watch(sockets.ours.get(), {.hangup = true}, [&](EventLoop::Interest what) {
        told = what;
        ++calls;
    }));
    REQUIRE(::write(sockets.theirs.get(), "x", 1) == 1);
    REQUIRE(loop.turn(0ms));
    CHECK(calls == 0);
    loop.set_interest(sockets.ours.get(), {.writes = true});
    REQUIRE(loop.turn(1000ms));
    CHECK(told == EventLoop::Interest{.writes = true});
    loop.set_interest(sockets.ours.get(), {.reads = true, .writes = true});
    REQUIRE(loop.turn(1000ms));
    CHECK(told == EventLoop::Interest{.reads = true, .writes = true});
    loop.set_interest(sockets.ours.get(), {.hangup = true});
    sockets.theirs.reset();
    REQUIRE(loop.turn(1000ms));
    CHECK(told == EventLoop::Interest{.hangup = true});
    loop.set_interest(sockets.ours.get(), {});
    calls = 0;
    REQUIRE(loop.turn(0ms));
    CHECK(calls == 0);
}

TEST_CASE("descriptors go beside bytes, and a message with more than there is room for counts as cut") {
    auto made = make_socket_pair(SOCK_SEQPACKET, "test");
    REQUIRE(made);
    const std::array<int, 2> given{STDIN_FILENO, made->ours.get()};
    REQUIRE(send_with_descriptors(made->ours.get(), "words", given) == 5);
    std::array<char, 4> room{};
    const Received received = receive_with_descriptors(made->theirs.get(), room);
    CHECK(received.size == 4);
    CHECK(received.cut);
    CHECK(received.descriptors.size() == 2);
    const std::array<int, kMaxDescriptors + 1> too_many{};
    CHECK(send_with_descriptors(made->ours.get(), "words", too_many) == -1);
    CHECK(errno == EINVAL);
    CHECK(receive_with_descriptors(made->theirs.get(), room).size == -1);
}
