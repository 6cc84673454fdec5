// SHA-256 (FIPS 180-4), by OpenSSL.
#include "sandbox/audit/sha256.h"

#include <openssl/sha.h>

#include <array>

namespace cellblock::sandbox {

std::string sha256(std::string_view bytes) {
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
    ::SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
    std::string out;
    for (const unsigned byte : digest) {
        out += "0123456789abcdef"[byte >> 4U];
        out += "0123456789abcdef"[byte & 15U];
    }
    return out;
}

}  // namespace cellblock::sandbox
