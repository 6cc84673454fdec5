// Requests in TLS that the broker ends: both ends in memory, and the cover over secrets.
#include "sandbox/network/inspection.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <ctime>

#include "tests/unit/catch.h"

using namespace cellblock::sandbox;
using namespace cellblock::sandbox::network;

namespace {

std::string in_pieces(SecretCover& cover, std::string_view text, std::size_t size) {
    std::string passed;
    for (std::size_t at = 0; at < text.size(); at += size) {
        passed += cover.pass(text.substr(at, size));
    }
    return passed + cover.end();
}

}  // namespace

TEST_CASE("A secret is covered wherever the pieces are cut") {
    const std::string text = "ab secret: sesecret secre secret secretsecret secr";
    for (std::size_t size = 1; size <= text.size(); ++size) {
        SecretCover cover({"secret", "zz"});
        CHECK(in_pieces(cover, text, size) == "ab ******: se****** secre ****** ************ secr");
    }
    SecretCover none({});
    CHECK(none.pass("anything") == "anything");
    SecretCover overlapping({"aab", "abaa"});
    CHECK(in_pieces(overlapping, "xaabaax", 1).find("aab") == std::string::npos);
}

TEST_CASE("What can't be a secret's beginning isn't held back") {
    SecretCover cover({"secret"});
    CHECK(cover.pass("some text") == "some text");
    CHECK(cover.pass("se").empty());
    CHECK(cover.pass("t") == "set");
}

TEST_CASE("An authority makes certificates for names and addresses") {
    const auto authority = make_authority();
    REQUIRE(authority.ok());
    CHECK(authority->certificate.starts_with("-----BEGIN CERTIFICATE-----"));
    const auto issuer = Issuer::make(*authority);
    REQUIRE(issuer.ok());
    for (const HostName& host :
         {HostName{"example.org", false}, HostName{"a_b.example.org", false},
          HostName{std::string(60, 'a') + "." + std::string(60, 'b') + ".example", false},
          HostName{"192.0.2.1", true}, HostName{"2001:db8::1", true}}) {
        const auto made = issuer->certificate_for(host);
        REQUIRE(made.ok());
        CHECK((host.is_address
                   ? X509_check_ip_asc(made->get(), host.text.c_str(), 0)
                   : X509_check_host(made->get(), host.text.c_str(), host.text.size(), 0, nullptr)) == 1);
        CHECK(X509_check_host(made->get(), "example.net", 0, 0, nullptr) == 0);
    }
    CHECK_FALSE(Issuer::make({}).ok());
    CHECK_FALSE(Issuer::make({"rubbish", "rubbish"}).ok());
}

TEST_CASE("Certificates hold whatever year the clock is set to during a session") {
    const auto authority = make_authority();
    REQUIRE(authority.ok());
    const auto issuer = Issuer::make(*authority);
    REQUIRE(issuer.ok());
    const auto made = issuer->certificate_for({"example.org", false});
    REQUIRE(made.ok());
    BIO* const text =
        BIO_new_mem_buf(authority->certificate.data(), static_cast<int>(authority->certificate.size()));
    X509* const root = PEM_read_bio_X509(text, nullptr, nullptr, nullptr);
    REQUIRE(root != nullptr);
    constexpr std::time_t kTenYears = 3653L * 24 * 3600;
    for (const std::time_t time : {std::time_t{0}, std::time(nullptr) - kTenYears, std::time(nullptr),
                                   std::time(nullptr) + kTenYears}) {
        X509_STORE* const store = X509_STORE_new();
        X509_STORE_add_cert(store, root);
        X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store), time);
        X509_STORE_CTX* const context = X509_STORE_CTX_new();
        REQUIRE(X509_STORE_CTX_init(context, store, made->get(), nullptr) == 1);
        CHECK(X509_verify_cert(context) == 1);
        CHECK(X509_STORE_CTX_get_error(context) == X509_V_OK);
        X509_STORE_CTX_free(context);
        X509_STORE_free(store);
    }
    X509_free(root);
    BIO_free(text);
}

TEST_CASE("TLS to a host that isn't trusted stops at the handshake") {
    const auto authority = make_authority();
    REQUIRE(authority.ok());
    const auto tls = Tls::make(*authority);
    REQUIRE(tls.ok());
    auto server = tls->as_server({"example.org", false});
    auto client = tls->as_client({"example.org", false});
    REQUIRE(server.ok());
    REQUIRE(client.ok());
    CHECK(client->feed({}).ok());
    CHECK(server->feed(client->take_wire()).ok());
    const auto fed = client->feed(server->take_wire());
    REQUIRE_FALSE(fed.ok());
    CHECK(fed.error().message.find("isn't trusted") != std::string::npos);
    CHECK_FALSE(client->is_open());
    CHECK_FALSE(client->take_wire().empty());  // the alert
}

TEST_CASE("Rubbish in place of TLS is a fault") {
    const auto authority = make_authority();
    REQUIRE(authority.ok());
    const auto tls = Tls::make(*authority);
    REQUIRE(tls.ok());
    auto server = tls->as_server({"example.org", false});
    REQUIRE(server.ok());
    CHECK_FALSE(server->feed("GET / HTTP/1.1\r\n\r\n").ok());
    CHECK(server->take_plain().empty());
}

TEST_CASE("A response tells its client that the connection ends") {
    const std::string body = "body\r\n\r\nConnection: keep-alive";
    const std::string text =
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nConnection: keep-alive,\r\n x\r\nKeep-Alive: "
        "timeout=5\r\nA: b\r\n\r\n" +
        body;
    const std::string wanted =
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\nConnection: close\r\n\r\n" + body;
    for (std::size_t size = 1; size <= text.size(); ++size) {
        LastResponse response;
        std::string passed;
        for (std::size_t at = 0; at < text.size(); at += size) {
            passed += response.pass(std::string_view(text).substr(at, size)).value_or("fault");
        }
        CHECK(passed == wanted);
    }
    CHECK_FALSE(LastResponse().pass("SSH-2.0").has_value());
    CHECK(LastResponse().pass("HTT").value_or("fault").empty());
    CHECK_FALSE(LastResponse().pass("HTTP/1.1 200 OK\r\n" + std::string(300 << 10, 'a')).has_value());
}
