// SHA-256 in hexadecimal.
//
// Purpose: digests of code, policies and wheels, by OpenSSL. Threads: one for
// each object. Failure: none that can be met; the algorithm is always there.
#pragma once

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
    std::string finish();  // once

private:
    struct Free {
        void operator()(void* context) const;
    };
    std::unique_ptr<void, Free> context_;
};

}  // namespace cellblock::sandbox
