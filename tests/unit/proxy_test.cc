// What a client asks the broker for, and the name in its TLS.
#include "sandbox/network/client_hello.h"
#include "sandbox/network/proxy_request.h"
#include "tests/unit/catch.h"
#include "tests/unit/tls_bytes.h"

using namespace cellblock::tests;
using namespace cellblock::sandbox;
using namespace cellblock::sandbox::network;

namespace {

using Step = ProxyStep::Kind;

ProxyStep feed(const std::string& bytes) {
    ProxyReader reader;
    return reader.feed(bytes);
}

// Byte by byte it comes to the same.
ProxyStep feed_slowly(const std::string& bytes, std::string& replies) {
    ProxyReader reader;
    ProxyStep step;
    for (const char byte : bytes) {
        step = reader.feed(std::string_view(&byte, 1));
        replies += step.reply;
        if (step.kind != Step::more) {
            break;
        }
    }
    return step;
}

}  // namespace

TEST_CASE("CONNECT names a host and a port") {
    const std::string text =
        "CONNECT API.example.org:443 HTTP/1.1\r\nHost: other.example\r\nProxy-Connection: "
        "keep-alive\r\n\r\nrest";
    const auto step = feed(text);
    REQUIRE(step.kind == Step::asked);
    CHECK(step.ask.kind == ProxyKind::tunnel);
    CHECK(step.ask.host.text == "api.example.org");
    CHECK(step.ask.port == 443);
    CHECK(step.ask.rest == "rest");
    std::string replies;
    CHECK(feed_slowly(text, replies).ask.host.text == "api.example.org");
    CHECK(replies.empty());
    CHECK(feed("CONNECT [2001:db8::1]:22 HTTP/1.0\r\n\r\n").ask.host.text == "2001:db8::1");
}

TEST_CASE("a request for an http URL is written anew, for one answer") {
    const auto step = feed(
        "GET http://user.example:8080/a?b#c HTTP/1.1\r\nHost: evil.example\r\nProxy-Authorization: Basic "
        "x\r\nConnection: x-drop, close\r\n"
        "X-Drop: 1\r\nX-Keep:  2 \r\nUpgrade: websocket\r\n\r\n");
    REQUIRE(step.kind == Step::asked);
    CHECK(step.ask.kind == ProxyKind::request);
    CHECK(step.ask.port == 8080);
    CHECK(step.ask.head ==
          "GET /a?b#c HTTP/1.1\r\nHost: user.example:8080\r\nX-Keep:  2 \r\nConnection: close\r\n\r\n");
    CHECK(feed("GET http://a.example HTTP/1.1\r\n\r\n").ask.head ==
          "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n");
    CHECK(feed("GET http://a.example?q HTTP/1.1\r\n\r\n").ask.head.starts_with("GET /?q HTTP/1.1"));
}

TEST_CASE("what is no strict request is refused") {
    const auto text = GENERATE(
        as<std::string>{}, "CONNECT a.example HTTP/1.1\r\n\r\n", "CONNECT a.example:0 HTTP/1.1\r\n\r\n",
        "CONNECT a.example:65536 HTTP/1.1\r\n\r\n", "CONNECT a.example:4 43 HTTP/1.1\r\n\r\n",
        "CONNECT ::1:443 HTTP/1.1\r\n\r\n", "CONNECT a%00.example:443 HTTP/1.1\r\n\r\n",
        "CONNECT u@a.example:443 HTTP/1.1\r\n\r\n", "CONNECT 2130706433:80 HTTP/1.1\r\n\r\n",
        "CONNECT a.example:443 HTTP/2\r\n\r\n", "CONNECT  a.example:443 HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "GET https://a.example/ HTTP/1.1\r\n\r\n",
        "GET ftp://a.example/ HTTP/1.1\r\n\r\n", "GET http://u:p@a.example/ HTTP/1.1\r\n\r\n",
        "GET http:///a HTTP/1.1\r\n\r\n", "GET http://a.example/ HTTP/1.1\nX: y\n\r\n\r\n",
        "GET http://a.example/ HTTP/1.1\r\nX : y\r\n\r\n", "GET http://a.example/ HTTP/1.1\r\nX\r\n\r\n",
        "GET http://a.example/ HTTP/1.1\r\nX: a\rb\r\n\r\n",
        "GET http://a.example/ HTTP/1.1\r\n X: folded\r\n\r\n",
        "POST http://a.example/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "POST http://a.example/ HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
        "POST http://a.example/ HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n",
        "POST http://a.example/ HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST http://a.example/ HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "POST http://a.example/ HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n", "\x04\x01", "\x16\x03\x01",
        "PRI * HTTP/2.0\r\n\r\n");
    INFO(text);
    const auto step = feed(text);
    if (text.front() == '\x04' || text.front() == '\x16') {
        CHECK(step.kind == Step::refused);
        return;
    }
    CHECK(step.kind == Step::refused);
    CHECK(step.reply.starts_with("HTTP/1.1 400 "));
}

TEST_CASE("a head has an end, within 16 KiB") {
    CHECK(feed("GET http://a.example/ HTTP/1.1\r\n").kind == Step::more);
    CHECK(feed("GET http://a.example/" + std::string(17000, 'a')).kind == Step::refused);
    CHECK(feed(std::string("GET http://a\0.example/ HTTP/1.1\r\n", 33)).kind == Step::refused);
    std::string many = "GET http://a.example/ HTTP/1.1\r\n";
    for (int i = 0; i < 101; ++i) {
        many += "X: y\r\n";
    }
    CHECK(feed(many + "\r\n").kind == Step::refused);
}

TEST_CASE("nothing behind a request's body is passed on") {
    auto counted = RequestBody::of_length(3);
    CHECK(counted.take("abcGET http://evil") == 3);
    CHECK(counted.ended());
    CHECK(counted.take("x") == 0);
    auto none = RequestBody::none();
    CHECK(none.take("GET") == 0);
    const std::string chunks = "3\r\nabc\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n";
    auto chunked = RequestBody::chunked();
    CHECK(chunked.take(chunks + "GET") == chunks.size());
    CHECK(chunked.ended());
    auto slow = RequestBody::chunked();
    for (const char byte : chunks) {
        CHECK(slow.take(std::string_view(&byte, 1)) == 1);
    }
    CHECK(slow.ended());
    const auto bad = GENERATE(as<std::string>{}, "\r\n", "x\r\n", "3;a=b\r\nabc\r\n", "3\nabc",
                              "3\r\nabcd\r\n", "123456789\r\n", "3 \r\n", "-1\r\n", "0\r\na\nb\r\n\r\n");
    auto broken = RequestBody::chunked();
    INFO(bad);
    CHECK_FALSE(broken.take(bad));
}

TEST_CASE("SOCKS 5, to a name or an address") {
    const std::string name(
        "\x05\x01\x00\x05\x01\x00\x03\x0b"
        "example.org\x01\xbb"
        "rest",
        3 + 5 + 11 + 2 + 4);
    std::string replies;
    const auto step = feed_slowly(name, replies);
    REQUIRE(step.kind == Step::asked);
    CHECK(replies == std::string("\x05\x00", 2));
    CHECK(step.ask.host.text == "example.org");
    CHECK(step.ask.port == 443);
    CHECK(feed(name).ask.rest == "rest");
    CHECK(feed(std::string("\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50", 13)).ask.host.text ==
          "127.0.0.1");
    const std::string six = std::string("\x05\x01\x00\x05\x01\x00\x04", 7) + std::string(15, '\0') + "\x01" +
                            std::string("\x00\x50", 2);
    CHECK(feed(six).ask.host.text == "::1");
}

TEST_CASE("SOCKS that is something else is refused") {
    const auto request =
        GENERATE(as<std::string>{}, std::string("\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50", 10),  // BIND
                 std::string("\x05\x03\x00\x01\x7f\x00\x00\x01\x00\x50", 10),                     // UDP
                 std::string("\x05\x01\x00\x02\x7f\x00\x00\x01\x00\x50", 10),  // no such kind
                 std::string("\x05\x01\x01\x01\x7f\x00\x00\x01\x00\x50", 10),  // reserved
                 std::string("\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x00", 10),  // port 0
                 std::string("\x05\x01\x00\x03\x00\x01\xbb", 7),               // no name
                 std::string("\x05\x01\x00\x03\x03"
                             "a\0b\x01\xbb",
                             10),
                 std::string("\x05\x01\x00\x03\x05"
                             "127.1\x01\xbb",
                             12));
    const auto step = feed(std::string("\x05\x01\x00", 3) + request);
    CHECK(step.kind == Step::refused);
    CHECK(step.reply.substr(0, 3) == std::string("\x05\x00\x05", 3));
    CHECK(feed(std::string("\x05\x01\x02", 3)).reply == std::string("\x05\xff", 2));
}

TEST_CASE("the server's name in a ClientHello") {
    const std::string good =
        record(hello(extension(10, "xx") + server_name("example.org") + extension(16, "yy")));
    const auto seen = read_client_hello(good + "more");
    CHECK(seen.kind == HelloSeen::Kind::named);
    CHECK(seen.name == "example.org");
    for (std::size_t i = 0; i < good.size(); ++i) {
        CHECK(read_client_hello(good.substr(0, i)).kind == HelloSeen::Kind::more);
    }
    CHECK(read_client_hello(record(hello(extension(10, "xx")))).kind == HelloSeen::Kind::no_name);
    CHECK(read_client_hello("GET / HTTP/1.1").kind == HelloSeen::Kind::no_tls);
    // In several records.
    const std::string whole = hello(server_name("example.org"));
    CHECK(read_client_hello(record(whole.substr(0, 7)) + record(whole.substr(7))).name == "example.org");
}

TEST_CASE("a ClientHello that could be read in two ways is broken") {
    const auto bytes = GENERATE(
        as<std::string>{}, record(hello(server_name("a.example") + server_name("b.example"))),
        record(hello(extension(0, two(24) + std::string(1, '\0') + two(9) + "a.example" +
                                      std::string(1, '\0') + two(9) + "b.example"))),
        record(hello(extension(0, two(12) + "\x01" + two(9) + "a.example"))), record(hello(extension(0, ""))),
        record(hello(two(0) + two(500) + "x")), record("\x02" + std::string("\0\0\1x", 4)),
        std::string("\x16\x02\x01\x00\x05xxxxx", 10), std::string("\x16\x03\x01\x00\x00", 5),
        std::string("\x16\x03\x01\xff\xff", 5), record("\x01\x01") + std::string("\x17\x03\x03\x00\x01x", 6));
    CHECK(read_client_hello(bytes).kind == HelloSeen::Kind::broken);
}

TEST_CASE("a ClientHello without end is given up on") {
    std::string bytes;
    while (bytes.size() < kMostHello) {
        bytes += record("\x01" + std::string("\xff\xff\xff", 3) + std::string(4000, 'x'));
    }
    CHECK(read_client_hello(bytes).kind == HelloSeen::Kind::broken);
}
