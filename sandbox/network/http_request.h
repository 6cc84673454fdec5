// One HTTP request: its head, read strictly and written anew, and its body's end (RFC 9112).
//
// Purpose: what the broker judges must be what the server reads. Whatever servers could read in two ways is
// refused: lines that end without CR, a header without a name, two lengths, a length beside chunks. The bytes
// are a sandbox's. Pure functions and values.
//
//     const auto read = read_http_head(bytes);      // until Kind::whole or Kind::broken
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sandbox/policy/host_rules.h"

namespace cellblock::sandbox::network {

constexpr std::size_t kMostHead = 16U << 10;

struct HttpHeader {
    std::string name;   // in small letters
    std::string line;   // the whole, as it stands there
    std::string value;  // without blanks around it
};

struct HttpHead {
    std::string method;
    std::string target;
    std::vector<HttpHeader> headers;
};

struct HeadRead {
    enum class Kind { more, whole, broken };
    Kind kind = Kind::more;
    std::string complaint = {};  // of broken
    HttpHead head = {};          // of whole
    std::size_t size = 0;        // of whole: its bytes, with the empty line
};

HeadRead read_http_head(std::string_view bytes);

// The end of a request's body, so that nothing behind it is passed on.
class RequestBody {
public:
    static RequestBody none() { return RequestBody(Kind::counted, 0); }
    static RequestBody of_length(std::uint64_t bytes) { return RequestBody(Kind::counted, bytes); }
    static RequestBody chunked() { return RequestBody(Kind::chunked, 0); }

    // How many of these bytes belong to it. nullopt: they are no chunks.
    std::optional<std::size_t> take(std::string_view bytes);
    [[nodiscard]] bool ended() const;

private:
    enum class Kind { counted, chunked };
    enum class Place { size, size_end, data, data_end, data_line, trailer, trailer_end, end };

    RequestBody(Kind kind, std::uint64_t left) : kind_(kind), left_(left) {}
    bool step(char c);

    Kind kind_;
    std::uint64_t left_;
    Place place_ = Place::size;
    int digits_ = 0;
    std::size_t line_ = 0;
    std::size_t trailers_ = 0;
};

// Whether a header asks for another method or path than the head's own, as some servers take it
// ("X-HTTP-Method-Override").
bool asks_for_another(const HttpHead& head);

// The first of the rules that allows this request. nullptr: none.
const HostRule* rule_for(const std::vector<HostRule>& rules, const HttpHead& head);
// "GET /v1/models", printable, without its query.
std::string summary_of(const HttpHead& head);
// Why no rule allows it, for a person.
std::string refusal_of(const HttpHead& head, const std::string& host);

// The body that a head announces. An Error's message says why it is none.
Result<RequestBody> body_of(const HttpHead& head);

// The head as it is sent on: for one request on one connection, to this server, and without what
// is between the client and the broker (RFC 9110, 7.6.1). `written`: headers that take the place of the
// client's own.
std::string head_to_send(const HttpHead& head, std::string_view server,
                         const std::vector<std::pair<std::string, std::string>>& written = {});

// "example.org", with ":PORT" where it isn't the scheme's own.
std::string server_text(const HostName& host, std::uint16_t port, std::uint16_t own);

}  // namespace cellblock::sandbox::network
