// HttpServer: HTTP/1.1 on Unix sockets and TCP, there by TLS too, for one handler.
//
// Parsing is Boost.Beast's. Everything that a client may choose has a bound: headers, bodies, time for each
// of them, connections, bytes of all bodies together, and how long a reply may wait to be read. What breaks a
// bound or the protocol is answered with its status, and the connection ends.
//
//     HttpServer server(loop, handler, [](const HttpRequest& head) { return 1U << 20; },
//                       [](const HttpRequest& head) { return false; });
//     auto address = server.listen("127.0.0.1:0");   // "http://127.0.0.1:41233", or an Error
//     loop.run();
//
// Owns its connections; when it is destroyed they end, and their replies are told so. For the loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "kernel/http/loop.h"
#include "kernel/http/message.h"
#include "sandbox/api/result.h"

namespace cellblock::kernel {

// The files of a server's TLS, in PEM.
struct TlsFiles {
    std::string certificate;  // the server's, and behind it those that signed it
    std::string key;  // its key, without a password; nobody but its owner may be able to read the file
};

class HttpServer {
public:
    static constexpr std::size_t kMostConnections = 2048;
    static constexpr std::size_t kMostHeaderBytes = 32U << 10;
    static constexpr std::uint64_t kLongestBody = 256ULL << 20;    // of one request
    static constexpr std::uint64_t kMostBodyBytes = 512ULL << 20;  // of all requests together

    // The longest body of a request, by its head (its `body` is empty). At most kLongestBody. With 0 the
    // handler is called at once, without the body, and the connection ends with its reply.
    using BodyLimit = std::function<std::uint64_t(const HttpRequest& head)>;
    // The requests whose body comes in pieces: the handler is called at once, and takes them by
    // HttpReply::on_body(). Such a body may take its time.
    using InPieces = std::function<bool(const HttpRequest& head)>;

    HttpServer(Loop& loop, HttpHandler handler, BodyLimit body_limit, InPieces in_pieces);
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    // Reads a certificate and its key. Connections by TCP that begin from now on speak TLS; a Unix socket's
    // never do. May be called again when the files are others. After an Error all stays as it was.
    sandbox::Status use_tls(const TlsFiles& files);
    // "unix:/path", "127.0.0.1:8080", "[::1]:0"; port 0: one that is free. Gives how a client names it. A
    // Unix socket is this user's alone (0600); one that nobody listens at any more is replaced.
    sandbox::Result<std::string> listen(const std::string& address);
    // Takes no more connections, and ends each once its reply is written.
    void close();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace cellblock::kernel
