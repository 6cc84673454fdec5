// TLS over memory: what one end would send and has received, without a socket.
//
//     auto end = tools.as_client(host);      // or as_server(): with a certificate of the session's authority
//     end.feed(wire);                        // what came from the other end
//     send(end.take_wire());  use(end.take_plain());
//
// TLS 1.2 and 1.3 (OpenSSL's defaults), HTTP/1.1 by ALPN. As a client an end trusts the authorities that
// OpenSSL finds on this system (SSL_CERT_FILE and SSL_CERT_DIR are heeded), and the certificate must be the
// host's. Ownership: values. Threads: one for each Tls and its ends. Failure: an Error for people.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "sandbox/api/result.h"
#include "sandbox/network/authority.h"

struct ssl_st;
struct ssl_ctx_st;

namespace cellblock::sandbox::network {

struct FreeTls {
    void operator()(ssl_st* connection) const;
    void operator()(ssl_ctx_st* context) const;
};

class TlsEnd {
public:
    explicit TlsEnd(ssl_st* connection) : connection_(connection) {}

    // Takes the bytes that have come on the wire, none at the beginning. Bytes behind the other end's last
    // word are left out. After an Error, take_wire() may still give an alert, and no other call works.
    Status feed(std::string_view wire);
    // Before the handshake's end it waits.
    Status write(std::string_view plain);
    // What has come since the last call.
    std::string take_plain();
    // What is to be sent to the other end.
    std::string take_wire();
    // No more will be written.
    void end();

    // The handshake is done.
    [[nodiscard]] bool is_open() const;
    // The other end has said that no more will come.
    [[nodiscard]] bool has_ended() const { return ended_; }

    [[nodiscard]] ssl_st* connection() const { return connection_.get(); }

private:
    Status fault();

    std::unique_ptr<ssl_st, FreeTls> connection_;
    std::string plain_;
    std::string waiting_;  // to be written
    bool ended_ = false;
};

class Tls {
public:
    static Result<Tls> make(const Authority& authority);

    [[nodiscard]] Result<TlsEnd> as_server(const HostName& host) const;
    [[nodiscard]] Result<TlsEnd> as_client(const HostName& host) const;

private:
    explicit Tls(Issuer issuer) : issuer_(std::move(issuer)) {}

    Issuer issuer_;
    std::unique_ptr<ssl_ctx_st, FreeTls> server_;
    std::unique_ptr<ssl_ctx_st, FreeTls> client_;
};

}  // namespace cellblock::sandbox::network
