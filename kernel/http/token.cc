#include "kernel/http/token.h"

#include <openssl/crypto.h>

namespace cellblock::kernel {

bool is_same_secret(std::string_view given, std::string_view wanted) {
    return given.size() == wanted.size() && CRYPTO_memcmp(given.data(), wanted.data(), wanted.size()) == 0;
}

bool has_token(const HttpRequest& request, std::string_view token) {
    constexpr std::string_view kBearer = "Bearer ";
    const auto bearer = request.header("authorization");
    return token.empty() || is_same_secret(request.header("x-api-key"), token) ||
           (bearer.starts_with(kBearer) && is_same_secret(bearer.substr(kBearer.size()), token));
}

}  // namespace cellblock::kernel
