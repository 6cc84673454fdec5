// SHA-256 and random names, in hexadecimal.
//
// Purpose: digests of code, policies and wheels, names that nobody guesses; by OpenSSL. Threads: one for each
// object. Failure: none that a caller can meet; where the system has no random numbers, the program ends.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace cellblock::sandbox {

std::string sha256(std::string_view bytes);

// The same for bytes that come piece by piece.
class Sha256 {
public:
    Sha256();
    void add(std::string_view bytes);
    std::string finish();  // call it once

private:
    struct Free {
        void operator()(void* context) const;
    };
    std::unique_ptr<void, Free> context_;
};

// As many random bytes, with two digits for each.
std::string random_hex(std::size_t bytes);

}  // namespace cellblock::sandbox
