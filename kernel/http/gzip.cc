#include "kernel/http/gzip.h"

#define ZLIB_CONST  // the input is const
#include <zlib.h>

#include <algorithm>

namespace cellblock::kernel {

using sandbox::Error;

namespace {

constexpr int kGzipAlone = 15 + 16;  // a window of 32 KiB, and gzip's header and trailer, which zlib checks

Error broken(const char* why) {
    return {"inflate the body", 0, why, "A body with Content-Encoding: gzip is one gzip file"};
}

}  // namespace

void Gunzip::Free::operator()(z_stream_s* stream) const {
    ::inflateEnd(stream);
    delete stream;
}

Gunzip::Gunzip(std::string_view body) : left_(body), stream_(new z_stream_s{}) {
    if (::inflateInit2(stream_.get(), kGzipAlone) != Z_OK) {
        stream_.reset();
    }
}

sandbox::Result<std::string> Gunzip::next(std::size_t most) {
    if (!stream_) {
        return broken("there is no memory for it");
    }
    std::string out(most, '\0');
    const std::size_t taken = std::min(most, left_.size());
    stream_->next_in = reinterpret_cast<const Bytef*>(left_.data());
    stream_->avail_in = static_cast<uInt>(taken);
    stream_->next_out = reinterpret_cast<Bytef*>(out.data());
    stream_->avail_out = static_cast<uInt>(most);
    const int result = ::inflate(stream_.get(), Z_NO_FLUSH);
    left_.remove_prefix(taken - stream_->avail_in);
    out.resize(most - stream_->avail_out);
    is_done_ = result == Z_STREAM_END;
    if (is_done_ && !left_.empty()) {
        return broken("it goes on behind its end");
    }
    if (result != Z_STREAM_END && result != Z_OK && result != Z_BUF_ERROR) {
        return broken(stream_->msg != nullptr ? stream_->msg : "it is broken");
    }
    // Bytes that have come out and weren't given yet would fill this step to its end.
    if (!is_done_ && left_.empty() && out.size() < most) {
        return broken("it ends too early");
    }
    return out;
}

}  // namespace cellblock::kernel
