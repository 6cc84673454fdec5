// HttpConnection: one client's connection to an HttpServer, for this folder alone.
//
// Purpose: reads requests one after another, has each answered before the next is read, and writes the
// replies. The bounds of both are its own (README.md here has the list); what connections may take together
// is counted in their ConnectionsShare.
//
// A connection lives as long as the server or one of the loop's handlers holds it. For the loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "kernel/http/message.h"
#include "kernel/http/server.h"
#include "kernel/http/stream.h"
#include "sandbox/base/rate_bound.h"

namespace cellblock::kernel {

// The handler of all connections of a server, and sums over them.
struct ConnectionsShare {
    HttpHandler handler;
    HttpServer::BodyLimit body_limit;
    HttpServer::InPieces in_pieces;
    std::uint64_t body_bytes = 0;                // of requests
    std::size_t unread_bytes = 0;                // of replies
    sandbox::RateBound handshake_lines{5, 0.1};  // of the log
};

class HttpConnection {
public:
    virtual ~HttpConnection() = default;
    // Ends the connection once its reply is written; at once, where no reply is whole.
    virtual void finish() = 0;
    // Ends the connection at once; who waits for the reply's end is told.
    virtual void close() = 0;
};

// Called once, when the connection has ended. Never called by begin_connection() itself.
using ConnectionGone = std::function<void(const std::shared_ptr<HttpConnection>&)>;

// Begins to read from a client that was accepted.
std::shared_ptr<HttpConnection> begin_connection(std::unique_ptr<ByteStream> stream,
                                                 std::shared_ptr<ConnectionsShare> share,
                                                 ConnectionGone gone);

}  // namespace cellblock::kernel
