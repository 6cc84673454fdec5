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

    // Takes the text's next piece, and gives what can be passed on. An end that may be the beginning of a
    // secret is kept for the next call.
    std::string pass(std::string_view piece);
    // Gives what pass() has kept. The text is over.
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
        std::vector<HostRule> rules;  // the policy's rules for this host and port, in its order
        Secrets secrets;              // the value of each secret that these rules name
        HostName host;
        std::uint16_t port = 0;
    };
    struct Step {
        std::string to_client = {};  // bytes for the client's socket
        std::string to_server = {};  // bytes for the host's socket
        std::string fault = {};      // why the tunnel must be closed now; empty: the tunnel goes on
        std::string refused = {};    // why the request isn't allowed; `to_client` has the answer, then close
        bool over = false;           // the host has said all
        bool client_over = false;    // the client has said all
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
    // The request as "GET /v1/models", without its query. Empty: no request has come yet.
    [[nodiscard]] const std::string& request() const { return request_; }
    // The text of the policy's rule that allows the request. Empty: no request has been allowed yet.
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
