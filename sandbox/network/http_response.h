// The head of an HTTP response, so far as the broker changes it.
//
// Purpose: a connection by the broker carries one request, and a client that isn't told so sends the next one
// into a connection that is about to end. So the final response's head gets "Connection: close" in place of
// what the host says of its own connection (RFC 9112, 9.6). Ownership: a value. Failure: nullopt, where what
// comes is no HTTP/1 response.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace cellblock::sandbox::network {

class LastResponse {
public:
    static constexpr std::size_t kMostHead = 256U << 10;

    // What can be passed on of a response that comes in pieces: nothing of a head before its end.
    std::optional<std::string> pass(std::string_view piece);

private:
    std::string head_;
    bool in_body_ = false;
};

}  // namespace cellblock::sandbox::network
