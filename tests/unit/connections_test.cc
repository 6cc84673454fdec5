// A sandbox's connections to the proxy, between the relay's format and the broker's sockets.
#include "sandbox/relay/connections.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "sandbox/base/bytes.h"
#include "sandbox/base/socket.h"
#include "sandbox/network/client_source.h"
#include "tests/unit/catch.h"

using namespace cellblock::sandbox;
using namespace cellblock::sandbox::relay;
using cellblock::sandbox::network::ClientSource;
using namespace std::chrono_literals;

namespace {

std::string frame(Kind kind, std::uint32_t number, std::uint32_t length, const std::string& bytes = {}) {
    std::string out(1, static_cast<char>(kind));
    append_big_endian(out, number);
    append_big_endian(out, length);
    return out + bytes;
}

std::string data(std::uint32_t number, const std::string& bytes) {
    return frame(Kind::data, number, static_cast<std::uint32_t>(bytes.size()), bytes);
}

constexpr std::uint32_t kFirst = kConnections + 1;

// A relay without a command: the test is the inside and the broker.
struct Relayed {
    explicit Relayed(std::uint32_t permitted = 4) : mux(permitted) {
        auto pair = make_socket_pair(SOCK_SEQPACKET, "test");
        REQUIRE(pair);
        clients.emplace(std::move(pair->theirs));
        connections.emplace(loop, mux, std::move(pair->ours));
        REQUIRE(mux.feed(kGreeting).ok());
    }

    void feed(const std::string& bytes) {
        REQUIRE(mux.feed(bytes).ok());
        for (const auto& arrival : mux.take_arrivals()) {
            connections->take(arrival);
        }
        connections->hand_on();
    }

    // What the inside gets, after some turns.
    std::string sent() {
        std::string all;
        for (int i = 0; i < 5; ++i) {
            connections->update_interests();
            REQUIRE(loop.turn(0ms));
            connections->hand_on();
            while (mux.wants_to_write()) {
                const std::string part(mux.next());
                all += part;
                mux.written(part.size());
            }
        }
        return all;
    }

    EventLoop loop;
    Mux mux;
    std::optional<ClientSource> clients;
    std::optional<Connections> connections;
};

std::string read_all(const UniqueFd& socket) {
    std::string all(1 << 20, '\0');
    const ssize_t got = ::recv(socket.get(), all.data(), all.size(), MSG_DONTWAIT);
    return all.substr(0, got > 0 ? static_cast<std::size_t>(got) : 0);
}

bool has_ended(const UniqueFd& socket) {
    char byte = 0;
    return ::recv(socket.get(), &byte, 1, MSG_DONTWAIT) == 0;
}

void write(const UniqueFd& socket, const std::string& bytes) {
    REQUIRE(::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(bytes.size()));
}

}  // namespace

TEST_CASE("connections: each is handed over as a socket, and carries bytes both ways") {
    Relayed it;
    it.feed(frame(Kind::open, kFirst, 0) + data(kFirst, "one") + frame(Kind::open, kFirst + 1, 0) +
            data(kFirst + 1, "two"));
    const UniqueFd first = it.clients->next();
    const UniqueFd second = it.clients->next();
    REQUIRE((first.valid() && second.valid()));
    CHECK((!it.clients->next().valid() && errno == EAGAIN && !it.clients->has_ended()));
    CHECK((read_all(first) == "one" && read_all(second) == "two"));
    write(second, "answer");
    CHECK(it.sent() == data(kFirst + 1, "answer"));
    it.connections->close();
    CHECK((has_ended(first) && has_ended(second)));
    CHECK((!it.clients->next().valid() && it.clients->has_ended()));
}

TEST_CASE("connections: a program that has sent all still gets the answer") {
    Relayed it;
    it.feed(frame(Kind::open, kFirst, 0) + data(kFirst, "request") + frame(Kind::close, kFirst, 0));
    UniqueFd client = it.clients->next();
    CHECK((read_all(client) == "request" && has_ended(client)));
    write(client, "answer");
    CHECK(it.sent() == data(kFirst, "answer"));
    client.reset();
    CHECK(it.sent() == frame(Kind::end, kFirst, 0));
    it.feed(frame(Kind::end, kFirst, 0));
    CHECK(it.sent() == frame(Kind::credit, kConnections, 1));
}

TEST_CASE("connections: a broker's last words arrive, though it takes nothing more") {
    Relayed it;
    it.feed(frame(Kind::open, kFirst, 0));
    UniqueFd client = it.clients->next();
    write(client, "too many");
    client.reset();
    it.feed(data(kFirst, "a request that nobody reads"));
    CHECK(it.sent() == data(kFirst, "too many") + frame(Kind::end, kFirst, 0));
    it.feed(data(kFirst, "more") + frame(Kind::close, kFirst, 0) + frame(Kind::end, kFirst, 0));

    it.feed(frame(Kind::open, kFirst + 1, 0));
    client = it.clients->next();
    write(client, "refused");
    REQUIRE(::shutdown(client.get(), SHUT_WR) == 0);
    const std::string told = it.sent();
    CHECK(told == frame(Kind::credit, kConnections, 1) + data(kFirst + 1, "refused") +
                      frame(Kind::close, kFirst + 1, 0));
    it.feed(frame(Kind::close, kFirst + 1, 0));
    CHECK(has_ended(client));
    CHECK(it.sent() == frame(Kind::end, kFirst + 1, 0));
}

TEST_CASE("connections: a program that is gone is gone for the broker too") {
    Relayed it;
    it.feed(frame(Kind::open, kFirst, 0));
    const UniqueFd client = it.clients->next();
    write(client, "a long answer");
    it.feed(frame(Kind::end, kFirst, 0));
    char byte = 0;
    CHECK((::recv(client.get(), &byte, 1, MSG_DONTWAIT) < 0 && errno == ECONNRESET));
    CHECK(::send(client.get(), "x", 1, MSG_NOSIGNAL) < 0);
    CHECK(it.sent() == frame(Kind::credit, kConnections, 1) + frame(Kind::end, kFirst, 0));
}

TEST_CASE("connections: nobody there, and the program is let go") {
    Relayed it;
    it.clients.reset();
    it.feed(frame(Kind::open, kFirst, 0) + data(kFirst, "hello?"));
    CHECK(it.sent() == frame(Kind::end, kFirst, 0));
}

TEST_CASE("connections: no more is read than the inside takes, and no more kept than it may send") {
    Relayed it;
    it.feed(frame(Kind::open, kFirst, 0));
    const UniqueFd client = it.clients->next();
    const std::string much(1 << 20, 'x');
    std::size_t got = 0;
    for (int i = 0; i < 50; ++i) {
        (void)::send(client.get(), much.data(), much.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        got += it.sent().size();
    }
    CHECK((got > kWindow && got < kWindow + 10'000));
    it.feed(frame(Kind::credit, kFirst, kMostData));
    CHECK(it.sent().size() > kMostData);

    const std::string part(kMostData, 'y');  // the broker reads nothing
    bool refused = false;
    for (int i = 0; i < 100 && !refused; ++i) {
        refused = !it.mux.feed(data(kFirst, part)).ok();
        for (const auto& arrival : it.mux.take_arrivals()) {
            it.connections->take(arrival);
        }
        it.connections->hand_on();
        (void)it.sent();
    }
    CHECK(refused);
}

TEST_CASE("connections: who connects again and again is slowed down") {
    Relayed it(1);
    std::uint32_t number = kConnections;
    const auto begin = std::chrono::steady_clock::now();
    int permitted = 1;
    for (int i = 0; i < 2000; ++i) {
        if (permitted > 0) {
            --permitted;
            ++number;
            it.feed(frame(Kind::open, number, 0) + frame(Kind::end, number, 0));
        }
        permitted +=
            static_cast<int>(it.sent().find(frame(Kind::credit, kConnections, 1)) != std::string::npos);
        (void)it.clients->next();
    }
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
    CHECK(number - kConnections < 505 + 110 * passed.count());
    CHECK((permitted > 0 || it.connections->patience() > 0ms));
}

TEST_CASE("connections: a door takes sockets and nothing else") {
    auto pair = make_socket_pair(SOCK_SEQPACKET, "test");
    ClientSource clients(std::move(pair->theirs));
    REQUIRE(send_with_descriptors(pair->ours.get(), std::string_view("c"), {}) == 1);
    CHECK((!clients.next().valid() && errno != EAGAIN));
    const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    REQUIRE(send_with_descriptors(pair->ours.get(), std::string_view("c"), std::array{file.get()}) == 1);
    CHECK((!clients.next().valid() && errno != EAGAIN));
    auto two = make_socket_pair(SOCK_STREAM, "test");
    const std::array both{two->ours.get(), two->theirs.get()};
    REQUIRE(send_with_descriptors(pair->ours.get(), std::string_view("c"), both) == 1);
    CHECK((!clients.next().valid() && errno != EAGAIN));
    CHECK((!clients.next().valid() && errno == EAGAIN));
}
