// Gunzip: the bytes in a body with `Content-Encoding: gzip` (RFC 1952), from one step to the next.
//
//     Gunzip gunzip(request.body);
//     while (!gunzip.is_done()) {
//         auto piece = gunzip.next(1U << 20);   // or an Error: the body is broken
//         ...
//     }
//
// The caller bounds the sum of what comes out, which may be a thousand times the body. A step takes no longer
// than its size says, whatever the body holds, and holds no more than its size. The body must outlive the
// Gunzip. For one thread. Nothing throws but for want of memory.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "sandbox/api/result.h"

struct z_stream_s;

namespace cellblock::kernel {

class Gunzip {
public:
    explicit Gunzip(std::string_view body);

    // Takes at most `most` bytes of the body, and gives at most `most` of the bytes in it; an empty piece
    // doesn't mean the end. An Error, after which nothing more may be asked for: the body is no gzip file,
    // its content has another checksum or length than it says, or it ends too early or goes on behind its
    // end.
    sandbox::Result<std::string> next(std::size_t most);
    // All of the body was taken, and all that was in it was given.
    [[nodiscard]] bool is_done() const { return is_done_; }

private:
    struct Free {
        void operator()(z_stream_s* stream) const;
    };

    std::string_view left_;
    std::unique_ptr<z_stream_s, Free> stream_;
    bool is_done_ = false;
};

}  // namespace cellblock::kernel
