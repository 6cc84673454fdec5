// A client's request to the broker: HTTP CONNECT, a request with an absolute URI, or SOCKS 5.
//
// Purpose: the first byte tells which; what is no whole, strict request of one of them is refused. The bytes
// are a sandbox's. For plain HTTP the request's head is written anew, for one request on one connection, so
// that no second one can slip to another host (http_request.h). SOCKS: RFC 1928, CONNECT without
// authentication.
//
//     ProxyReader reader;
//     auto step = reader.feed(bytes);     // until Kind::asked or Kind::refused
//
// Ownership: values. Threads: no shared state. Failure: Kind::refused, with the reply.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sandbox/network/http_request.h"
#include "sandbox/policy/host_rules.h"

namespace cellblock::sandbox::network {

enum class ProxyKind { tunnel, request, socks };

struct ProxyAsk {
    ProxyKind kind = ProxyKind::tunnel;
    HostName host;
    std::uint16_t port = 0;
    HttpHead http = {};                      // of request: with its path and query as the target
    std::string head = {};                   // of request: to be sent on
    RequestBody body = RequestBody::none();  // of request
    std::string rest = {};                   // what came behind it
};

struct ProxyStep {
    enum class Kind { more, asked, refused };
    Kind kind = Kind::more;
    std::string reply = {};      // to be sent to the client now; may be empty
    ProxyAsk ask = {};           // of asked
    std::string complaint = {};  // of refused: why, for the log
};

class ProxyReader {
public:
    ProxyStep feed(std::string_view bytes);

private:
    ProxyStep read_http();
    ProxyStep read_socks();

    std::string bytes_;
    bool greeted_ = false;  // of SOCKS
};

// Replies. `reason` is a sentence for a person.
enum class Refusal { not_allowed, bad_request, unreachable, too_many };
std::string refusal(ProxyKind kind, Refusal why, const std::string& reason);
std::string opened(ProxyKind kind);  // the tunnel is open; nothing for a request

}  // namespace cellblock::sandbox::network
