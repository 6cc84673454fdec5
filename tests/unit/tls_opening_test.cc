// TlsOpening: the name of a second hello counts as much as that of the first.
#include "sandbox/network/tls_opening.h"

#include <string>

#include "tests/unit/catch.h"
#include "tests/unit/tls_bytes.h"

using namespace cellblock::tests;
using namespace cellblock::sandbox;
using namespace cellblock::sandbox::network;

namespace {

const std::string kRetryRandom =
    "\xCF\x21\xAD\x74\xE5\x9A\x61\x11\xBE\x1D\x8C\x02\x1E\x65\xB8\x91"
    "\xC2\xA2\x11\x16\x7A\xBB\x8C\x5E\x07\x9E\x09\xE2\xC8\xA8\x33\x9C";
const std::string kGood = record(hello(server_name("a.example")));
const std::string kOther = record(hello(server_name("b.example")));
const std::string kChange("\x14\x03\x03\x00\x01\x01", 6);
const std::string kEarly("\x17\x03\x03\x00\x02xy", 7);

std::string answer(const std::string& random) {
    const std::string body = "\x03\x03" + random + std::string(1, '\0') + "\x13\x01" + std::string(3, '\0');
    return record("\x02" + std::string(1, '\0') + two(body.size()) + body);
}

TlsOpening opening(bool is_inspected = false) {
    return {*read_host("a.example"), 443, is_inspected};
}

// After the first hello.
TlsOpening begun() {
    TlsOpening one = opening();
    REQUIRE(one.from_client(kGood).to_server == kGood);
    REQUIRE_FALSE(one.is_over());
    return one;
}

}  // namespace

TEST_CASE("a second hello is judged as the first was") {
    for (const std::string& before : {std::string(), kChange, kChange + kEarly + kEarly}) {
        TlsOpening one = begun();
        CHECK(one.from_server(answer(kRetryRandom)).to_server.empty());
        CHECK_FALSE(one.is_over());
        CHECK(one.from_client(before + kGood).to_server == before + kGood);
        CHECK(one.is_over());
        TlsOpening bad = begun();
        CHECK(bad.from_server(answer(kRetryRandom)).fault.empty());
        CHECK(bad.from_client(before + kOther).fault == "its TLS names another server than a.example");
    }
}

TEST_CASE("what comes before the server's answer waits for it") {
    TlsOpening one = begun();
    CHECK(one.from_client(kEarly).to_server.empty());
    CHECK(one.from_server(answer(std::string(32, 'r'))).to_server == kEarly);
    CHECK(one.is_over());
    TlsOpening hasty = opening();  // both hellos at once
    CHECK(hasty.from_client(kGood + kOther).to_server == kGood);
    CHECK(hasty.from_server(answer(kRetryRandom)).fault == "its TLS names another server than a.example");
    TlsOpening endless = begun();
    CHECK(endless.from_client(std::string(TlsOpening::kMostHeld, '\x17')).fault.empty());
    CHECK_FALSE(endless.from_client("x").fault.empty());
}

TEST_CASE("pieces of any size are read alike") {
    TlsOpening one = opening();
    std::string passed;
    for (const char byte : kGood) {
        passed += one.from_client(std::string(1, byte)).to_server;
    }
    CHECK(passed == kGood);
    for (const char byte : answer(kRetryRandom)) {
        CHECK(one.from_server(std::string(1, byte)).fault.empty());
    }
    for (const char byte : kChange + kGood) {
        passed += one.from_client(std::string(1, byte)).to_server;
    }
    CHECK(passed == kGood + kChange + kGood);
    CHECK(one.is_over());
}

TEST_CASE("a second hello that can't be read, or has no name, ends the tunnel") {
    for (const std::string& bytes : {std::string("GET / HTTP/1.1"), record(hello(extension(10, "xx"))),
                                     std::string("\x15\x03\x03\x00\x02\x02\x28", 7), record("\x02xxx")}) {
        TlsOpening one = begun();
        CHECK(one.from_server(answer(kRetryRandom)).fault.empty());
        CHECK_FALSE(one.from_client(bytes).fault.empty());
        CHECK_FALSE(one.is_over());
    }
}

TEST_CASE("a server that doesn't ask again is heard no further") {
    for (const std::string& bytes : {std::string("\x15\x03\x03\x00\x02\x02\x28", 7),
                                     std::string("220 ready\r\n"), answer(std::string(32, 'r')), kGood}) {
        TlsOpening one = begun();
        CHECK(one.from_server(bytes).fault.empty());
        CHECK(one.is_over());
        CHECK(one.from_client(kOther).to_server == kOther);  // nobody takes it for a hello any more
    }
    CHECK_FALSE(begun().from_server(record("\x02")).fault.empty());
}

TEST_CASE("an inspected tunnel has one hello, and what is no TLS passes where it may") {
    TlsOpening inspected = opening(true);
    CHECK(inspected.from_client(kGood + kEarly).to_server == kGood + kEarly);
    CHECK(inspected.is_over());
    CHECK_FALSE(opening().from_client("SSH-2.0").fault.empty());
    TlsOpening ssh{*read_host("a.example"), 22, false};
    CHECK(ssh.from_client("SSH-2.0").to_server == "SSH-2.0");
    CHECK(ssh.is_over());
}
