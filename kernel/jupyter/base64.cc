// Base64 by OpenSSL.
#include "kernel/jupyter/base64.h"

#include <openssl/evp.h>

#include <algorithm>

namespace cellblock::kernel {

std::string base64(std::string_view bytes) {
    // EVP_EncodeBlock counts in int; whole thirds join without padding.
    constexpr std::size_t kAtOnce = std::size_t{3} << 20;
    // It ends each block with a zero, the last of which falls on the string's own.
    std::string out((bytes.size() + 2) / 3 * 4, '\0');
    char* at = out.data();
    for (std::size_t from = 0; from < bytes.size(); from += kAtOnce) {
        const std::size_t take = std::min(kAtOnce, bytes.size() - from);
        const auto* source = reinterpret_cast<const unsigned char*>(bytes.data() + from);
        at += EVP_EncodeBlock(reinterpret_cast<unsigned char*>(at), source, static_cast<int>(take));
    }
    return out;
}

}  // namespace cellblock::kernel
