// The relay's format: what the host believes of the far end.
#include <string>

#include "sandbox/relay/mux.h"
#include "sandbox/relay/spec.h"
#include "tests/unit/catch.h"

using namespace cellblock::sandbox;
using namespace cellblock::sandbox::relay;
using cellblock::tests::Contains;

namespace {

std::string number(std::uint32_t value) {
    std::string out;
    for (int shift = 24; shift >= 0; shift -= 8) {
        out += static_cast<char>(value >> shift & 0xff);
    }
    return out;
}

std::string frame(Kind kind, std::uint32_t channel, std::uint32_t length, const std::string& bytes = {}) {
    return static_cast<char>(kind) + number(channel) + number(length) + bytes;
}

std::string data(std::uint32_t channel, const std::string& bytes) {
    return frame(Kind::data, channel, static_cast<std::uint32_t>(bytes.size()), bytes);
}

Mux greeted() {
    Mux mux;
    REQUIRE(mux.feed(kGreeting).ok());
    return mux;
}

// All that waits to be sent.
std::string sent(Mux& mux) {
    std::string all;
    while (mux.wants_to_write()) {
        const std::string part(mux.next());
        all += part;
        mux.written(part.size());
    }
    return all;
}

}  // namespace

TEST_CASE("relay: what is printed before the greeting is kept apart") {
    Mux mux;
    CHECK(mux.feed("Welcome to this machine\n").ok());
    CHECK_FALSE(mux.greeted());
    CHECK(mux.feed(std::string(kGreeting) + data(0, "hello")).ok());
    CHECK(mux.greeted());
    CHECK(mux.noise() == "Welcome to this machine\n");
    const auto arrivals = mux.take_arrivals();
    REQUIRE(arrivals.size() == 1);
    CHECK((arrivals[0].channel == 0 && arrivals[0].bytes == "hello"));
    Mux endless;
    CHECK_FALSE(endless.feed(std::string(kMostNoise + 1, 'x')).ok());
}

TEST_CASE("relay: frames may come byte by byte") {
    Mux mux = greeted();
    std::string all;
    for (const char byte : data(0, "ab") + data(0, "") + data(0, "c")) {
        REQUIRE(mux.feed(std::string(1, byte)).ok());
        for (const auto& arrival : mux.take_arrivals()) {
            all += arrival.bytes;
        }
    }
    CHECK(all == "abc");
}

TEST_CASE("relay: a frame out of bounds is a violation") {
    const std::string bad[] = {
        data(1, "x"),                         // a channel that isn't open
        frame(Kind::data, 0, kMostData + 1),  // longer than a frame may be
        frame(Kind::open, 1, 0),              // only the host opens
        frame(Kind::close, 0, 0),             // the control has no end but the sandbox's
        frame(Kind::credit, 0, 1),            // more than the whole window
        frame(static_cast<Kind>(9), 0, 0),
        std::string(9, '\xff'),
    };
    for (const auto& bytes : bad) {
        Mux mux = greeted();
        const auto fed = mux.feed(bytes);
        REQUIRE_FALSE(fed.ok());
        CHECK_THAT(fed.error().text(), Contains("protocol"));
    }
}

TEST_CASE("relay: nobody sends more than the window, and credit opens it again") {
    Mux mux = greeted();
    const std::string part(kMostData, 'x');
    for (std::uint32_t i = 0; i < kWindow / kMostData; ++i) {
        REQUIRE(mux.feed(data(0, part)).ok());
    }
    Mux flooded = mux;
    CHECK_FALSE(flooded.feed(data(0, "x")).ok());
    mux.taken(0, kMostData);
    CHECK(sent(mux) == frame(Kind::credit, 0, kMostData));
    CHECK(mux.feed(data(0, part)).ok());

    const auto channel = mux.open().value();
    CHECK(mux.room(channel) == kWindow);
    mux.send(channel, part);
    CHECK(mux.room(channel) == kWindow - kMostData);
    CHECK(mux.feed(frame(Kind::credit, channel, kMostData)).ok());
    CHECK(mux.room(channel) == kWindow);
}

TEST_CASE("relay: a far end that sends and never reads costs no memory") {
    Mux mux = greeted();
    const std::string flood = data(0, "x");
    for (std::uint32_t i = 0; i < kWindow / 8; ++i) {
        REQUIRE(mux.feed(flood).ok());
        mux.taken(0, 1);
    }
    CHECK(sent(mux).size() < 100);
    const std::string part(kMostData, 'x');
    bool refused = false;
    for (int i = 0; i < 2000 && !refused; ++i) {
        refused = !mux.feed(data(0, part)).ok();
        mux.taken(0, kMostData);
    }
    CHECK(refused);
}

TEST_CASE("relay: the control's bytes go before the workers'") {
    Mux mux = greeted();
    const auto channel = mux.open().value();
    CHECK(sent(mux) == frame(Kind::open, channel, 0));
    mux.send(channel, "first");
    mux.send(channel, "second");
    const std::string begun(mux.next().substr(0, 3));
    mux.written(3);
    mux.send(0, "interrupt");
    CHECK(begun + sent(mux) == data(channel, "first") + data(0, "interrupt") + data(channel, "second"));
}

TEST_CASE("relay: a channel ends when both have said so, and its number isn't used again") {
    Mux mux = greeted();
    const auto channel = mux.open().value();
    CHECK(mux.feed(data(channel, "last words") + frame(Kind::close, channel, 0)).ok());
    const auto arrivals = mux.take_arrivals();
    REQUIRE(arrivals.size() == 2);
    CHECK((arrivals[0].bytes == "last words" && arrivals[1].kind == Kind::close));
    mux.close(channel);
    CHECK(mux.open().value() != channel);
    Mux again = mux;
    CHECK_FALSE(again.feed(data(channel, "x")).ok());

    const auto dropped = mux.open().value();
    mux.close(dropped);
    CHECK(mux.feed(data(dropped, "too late")).ok());
    CHECK(mux.take_arrivals().empty());
}

TEST_CASE("relay: a far end that closes nothing is given no more channels") {
    Mux mux = greeted();
    bool refused = false;
    for (std::size_t i = 0; i <= kMostChannels + 1; ++i) {
        const auto channel = mux.open();
        refused = refused || !channel.ok();
        if (channel) {
            mux.close(*channel);
        }
    }
    CHECK(refused);
}

TEST_CASE("relay: the inside opens connections where it is permitted, each with the next number") {
    Mux mux(2);
    REQUIRE(mux.feed(kGreeting).ok());
    const std::uint32_t first = kConnections + 1;
    REQUIRE(mux.feed(frame(Kind::open, first, 0) + data(first, "GET")).ok());
    const auto arrivals = mux.take_arrivals();
    REQUIRE(arrivals.size() == 2);
    CHECK((arrivals[0].kind == Kind::open && arrivals[0].channel == first));
    CHECK((arrivals[1].kind == Kind::data && arrivals[1].bytes == "GET"));
    const std::string bad[] = {
        frame(Kind::open, first, 0),         // it is open already
        frame(Kind::open, first + 2, 0),     // not the next
        frame(Kind::open, first + 1, 1),     // an opening has no length
        frame(Kind::open, kConnections, 0),  // no channel
        frame(Kind::open, 1, 0),             // the host's numbers
        frame(Kind::open, 0, 0),
        frame(Kind::open, 0xffffffff, 0),
        data(first + 1, "x"),  // not open
        data(kConnections, "x"),
        frame(Kind::credit, kConnections, 1),  // only the host permits
        frame(Kind::credit, first, 1),         // more than the whole window
        frame(Kind::credit, first + 1, 0),
        frame(Kind::close, first, 1),
        frame(Kind::end, first, 1),
        frame(Kind::end, first + 1, 0),
        frame(Kind::end, 0, 0),
        frame(Kind::open, first + 1, 0) + frame(Kind::open, first + 2, 0),  // one more than permitted
    };
    for (const auto& bytes : bad) {
        Mux other = mux;
        const auto fed = other.feed(bytes);
        REQUIRE_FALSE(fed.ok());
        CHECK_THAT(fed.error().text(), Contains("protocol"));
    }
    Mux none = greeted();  // where the policy allows no host
    CHECK_FALSE(none.feed(frame(Kind::open, first, 0)).ok());
    const auto worker = none.open().value();
    CHECK_FALSE(none.feed(frame(Kind::end, worker, 0)).ok());
}

TEST_CASE("relay: each direction of a connection ends by itself") {
    Mux mux(1);
    const std::uint32_t number = kConnections + 1;
    REQUIRE(
        mux.feed(std::string(kGreeting) + frame(Kind::open, number, 0) + frame(Kind::close, number, 0)).ok());
    for (const auto& bytes : {data(number, "x"), data(number, ""), frame(Kind::close, number, 0)}) {
        Mux other = mux;
        CHECK_FALSE(other.feed(bytes).ok());  // after its close
    }
    mux.send(number, "the answer");
    CHECK(mux.feed(frame(Kind::credit, number, 10)).ok());  // what it closed is the other direction
    CHECK(mux.room(number) == kWindow);
    CHECK(sent(mux) == data(number, "the answer"));
    mux.close(number);
    CHECK(mux.room(number) == 0);
    CHECK(mux.connections_over() == 0);
    CHECK(mux.feed(frame(Kind::end, number, 0)).ok());
    CHECK_FALSE(Mux(mux).feed(frame(Kind::end, number, 0)).ok());
    CHECK_FALSE(Mux(mux).feed(frame(Kind::credit, number, 0)).ok());
    mux.end(number);
    CHECK(sent(mux) == frame(Kind::close, number, 0) + frame(Kind::end, number, 0));
    CHECK(mux.connections_over() == 1);
    CHECK_FALSE(Mux(mux).feed(frame(Kind::open, number + 1, 0)).ok());
    mux.permit_connection();
    CHECK(sent(mux) == frame(Kind::credit, kConnections, 1));
    CHECK_FALSE(Mux(mux).feed(frame(Kind::open, number, 0)).ok());  // a number isn't used again
    CHECK(mux.feed(frame(Kind::open, number + 1, 0)).ok());
}

TEST_CASE("relay: what comes for a connection that the host has ended is thrown away, and bounded") {
    Mux mux(1);
    const std::uint32_t number = kConnections + 1;
    REQUIRE(mux.feed(std::string(kGreeting) + frame(Kind::open, number, 0)).ok());
    (void)mux.take_arrivals();
    mux.end(number);
    (void)sent(mux);
    const std::string part(kMostData, 'x');
    for (std::uint32_t i = 0; i < kWindow / kMostData; ++i) {
        REQUIRE(mux.feed(data(number, part)).ok());
    }
    CHECK(mux.take_arrivals().empty());
    CHECK_FALSE(mux.wants_to_write());  // no credit
    CHECK_FALSE(Mux(mux).feed(data(number, "x")).ok());
    CHECK(mux.connections_over() == 0);  // it holds its place until the inside agrees
    CHECK_FALSE(Mux(mux).feed(frame(Kind::open, number + 1, 0)).ok());
    CHECK(mux.feed(frame(Kind::end, number, 0)).ok());
    CHECK(mux.connections_over() == 1);
}

TEST_CASE("relay: connections leave the workers' channels their bound, and cost no memory unread") {
    Mux mux(100);
    std::string opens(kGreeting);
    for (std::uint32_t i = 1; i <= 100; ++i) {
        opens += frame(Kind::open, kConnections + i, 0);
    }
    REQUIRE(mux.feed(opens).ok());
    for (std::size_t i = 0; i < kMostChannels; ++i) {
        REQUIRE(mux.open().ok());
    }
    CHECK_FALSE(mux.open().ok());

    Mux flooded(1);  // opens and ends as fast as it is permitted, and never reads
    REQUIRE(flooded.feed(kGreeting).ok());
    bool refused = false;
    for (std::uint32_t i = 1; i < 3000 && !refused; ++i) {
        const std::uint32_t number = kConnections + i;
        refused = !flooded.feed(frame(Kind::open, number, 0) + frame(Kind::end, number, 0)).ok();
        (void)flooded.take_arrivals();
        if (!refused) {
            flooded.end(number);
            flooded.permit_connection();
        }
    }
    CHECK(refused);
}

TEST_CASE("relay: a spec survives as bytes, and nothing else is one") {
    Spec spec;
    spec.command = {"run", "this"};
    spec.kill = {"end", "it"};
    spec.program = std::string("a\0b", 3);
    spec.sweep = {"sweep"};
    spec.user = 77;
    spec.connections = 36;
    const auto read = spec_from(to_bytes(spec));
    REQUIRE(read);
    CHECK((read->command == spec.command && read->kill == spec.kill && read->program == spec.program));
    CHECK((read->user == 77 && read->connections == 36));
    CHECK_FALSE(spec_from(""));
    CHECK_FALSE(spec_from("nonsense that is long enough"));
    CHECK_FALSE(spec_from(to_bytes(Spec{})));
}
