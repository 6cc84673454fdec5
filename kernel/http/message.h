// A request of HTTP/1.1 and its reply, as a service sees them.
//
//     void handle(HttpRequest request, std::shared_ptr<HttpReply> reply) {
//         if (request.path == "/health") {
//             return reply->send(200, "text/plain", "OK");
//         }
//         reply->begin(200, "application/x-ndjson");
//         reply->write(line);   // as often as there is something
//         reply->end();
//     }
//
// A reply may be answered at once or later, once. It outlives its connection: what is written to one whose
// client has gone is dropped. For the loop's thread alone. Nothing throws.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cellblock::kernel {

// Headers' names are compared without case.
struct CaselessLess {
    using is_transparent = void;
    bool operator()(std::string_view left, std::string_view right) const;
};
using HttpHeaders = std::multimap<std::string, std::string, CaselessLess>;

struct HttpRequest {
    std::string method;
    std::string path;                          // what stands before '?', decoded
    std::map<std::string, std::string> query;  // decoded; of several with one name the last
    HttpHeaders headers;
    std::string body;
    // Whoever keeps the body for longer than the request keeps this beside it: it is what the server counts
    // the bytes of all bodies by.
    std::shared_ptr<const void> counted;

    // The first of that name; empty: there is none.
    [[nodiscard]] std::string_view header(std::string_view name) const;
};

class HttpReply {
public:
    using Headers = std::vector<std::pair<std::string, std::string>>;

    virtual ~HttpReply() = default;

    // The whole reply. An empty `type`: there is no body (status 204).
    virtual void send(int status, std::string_view type, std::string body, const Headers& more) = 0;
    void send(int status, std::string_view type, std::string body) {
        send(status, type, std::move(body), {});
    }
    // A reply in pieces.
    virtual void begin(int status, std::string_view type) = 0;
    virtual void write(std::string piece) = 0;
    virtual void end() = 0;
    // Calls this once, when all that was written so far is with the client's system.
    virtual void when_written(std::function<void()> written) = 0;
    // The body of a request whose body comes in pieces: calls `take` with all of it that came and wasn't
    // used, whenever there is more; with `is_whole` there will be no more. `take` removes what it uses. While
    // it gives false it isn't called, and little is read, until read_on(). A reply that ends before the whole
    // body ends the connection.
    using TakeBody = std::function<bool(std::string& body, bool is_whole)>;
    virtual void on_body(TakeBody take) = 0;
    virtual void read_on() = 0;
    // Calls this once if the client goes before the reply's end, or reads too slowly.
    virtual void on_closed(std::function<void()> closed) = 0;
};

using HttpHandler = std::function<void(HttpRequest, std::shared_ptr<HttpReply>)>;

// "%2F" and '+' in a query's names and values; false: what stands there is no such text.
bool decode_url(std::string_view text, bool plus_is_space, std::string& out);

// The path and the query of a request's target; false: it has neither.
bool read_target(std::string_view target, HttpRequest& request);

// The words of a status: "Not Found".
std::string_view status_words(int status);

}  // namespace cellblock::kernel
