// An inspected tunnel: TLS that the broker ends, with one HTTP request in it that is judged and written anew.
//
// Purpose: rules by method and path, and headers whose values no cell sees. The client believes that it
// speaks to the host (authority.h); the broker speaks to the host itself, and believes only a certificate
// that this system trusts. The request must be for the host that was asked for, so that nothing goes to
// another host behind the same address. One connection carries one request (http_request.h). A secret's
// value in what the host answers is covered by asterisks, as a host may say back what it was sent; one that
// compresses, gives parts, or cuts chunks in its middle can still tell it.
//
//     Inspection one(parts);
//     auto step = one.begin();                   // to_server: TLS's first words
//     step = one.from_server(bytes);             // until is_secured(): the host is who it should be
//     step = one.from_client(bytes);
//
// Ownership: values. Threads: one. Failure: Step::fault, after which nothing can be said to the client;
// Step::refused, which to_client tells it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/api/policy.h"
#include "sandbox/network/http_request.h"
#include "sandbox/network/http_response.h"
#include "sandbox/network/tls.h"
#include "sandbox/policy/host_rules.h"

namespace cellblock::sandbox::network {

using Secrets = std::map<std::string, std::string>;

// Covers secrets in a text that comes in pieces.
class SecretCover {
public:
    explicit SecretCover(std::vector<std::string> values) : values_(std::move(values)) {}

    // What can be passed on; the rest may be the beginning of a secret.
    std::string pass(std::string_view piece);
    // The rest.
    std::string end();

private:
    [[nodiscard]] std::size_t size_of_beginning() const;

    std::vector<std::string> values_;
    std::string held_;
};

class Inspection {
public:
    struct Parts {
        TlsEnd client;                // a server, as the client sees it
        TlsEnd server;                // a client, as the host sees it
        std::vector<HostRule> rules;  // those for this host and port
        Secrets secrets;
        HostName host;
        std::uint16_t port = 0;
    };
    struct Step {
        std::string to_client = {};  // on the wire
        std::string to_server = {};
        std::string fault = {};
        std::string refused = {};
        bool over = false;         // the host has said all
        bool client_over = false;  // the client has said all
    };

    explicit Inspection(Parts parts) : parts_(std::move(parts)), cover_({}) {}

    Step begin();
    Step from_server(std::string_view wire);
    Step from_client(std::string_view wire);
    // The host has closed the connection without TLS's own end: the client is to see that something may be
    // missing.
    Step server_cut();

    [[nodiscard]] bool is_secured() const { return parts_.server.is_open(); }
    // The client's request has come with its whole body, so that the host may answer.
    [[nodiscard]] bool has_request() const { return asked_ && body_.ended(); }
    // "GET /v1/models", without its query; empty: none has come.
    [[nodiscard]] const std::string& request() const { return request_; }
    // The policy's, by which it is allowed.
    [[nodiscard]] const std::string& rule() const { return rule_; }

private:
    // Adds what is to be sent.
    Step finish(Step step);
    void take_plain(const std::string& plain, Step& step);
    void take_head(Step& step);
    // Empty: it is allowed, by `by`.
    [[nodiscard]] std::string judge(const HttpHead& head, const HostRule*& by) const;
    void pass_body(std::string_view bytes, Step& step);

    Parts parts_;
    LastResponse response_;
    SecretCover cover_;
    bool asked_ = false;
    std::string head_;
    RequestBody body_ = RequestBody::none();
    std::string request_;
    std::string rule_;
};

}  // namespace cellblock::sandbox::network
