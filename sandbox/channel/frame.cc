// Reading and writing of frames.
#include "sandbox/channel/frame.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "sandbox/base/bytes.h"
#include "sandbox/base/json_text.h"
#include "sandbox/base/socket.h"

namespace cellblock::sandbox {

namespace {

constexpr std::size_t kReadBytes = 256U << 10;

Error violation(const std::string& what) {
    return Error{"frame", 0, what, {}};
}

}  // namespace

void FrameReader::expect(Stage stage, std::size_t bytes) {
    stage_ = stage;
    wanted_ = bytes;
    part_.clear();
    part_.reserve(std::min(bytes, kReadBytes));  // more only when more has come
}

Status FrameReader::check_prefix() {
    header_bytes_ = big_endian(part_.data());
    const std::uint32_t buffers = big_endian(part_.data() + 4);
    if (header_bytes_ == 0 || header_bytes_ > bounds_.header_bytes) {
        return violation("a header of " + std::to_string(header_bytes_) + " bytes");
    }
    if (buffers > bounds_.buffers) {
        return violation(std::to_string(buffers) + " buffers");
    }
    lengths_.resize(buffers);
    expect(Stage::lengths, std::size_t{4} * buffers);
    return Ok{};
}

Status FrameReader::check_lengths() {
    std::uint64_t total = header_bytes_;
    for (std::size_t i = 0; i < lengths_.size(); ++i) {
        lengths_[i] = big_endian(part_.data() + 4 * i);
        total += lengths_[i];
        if (lengths_[i] > bounds_.buffer_bytes || total > bounds_.frame_bytes) {
            return violation("buffers of more than " + std::to_string(bounds_.frame_bytes) + " bytes");
        }
    }
    buffers_.clear();
    expect(Stage::header, header_bytes_);
    return Ok{};
}

void FrameReader::finish(Frame& frame) {
    frame.header = std::move(header_);
    frame.buffers = std::move(buffers_);
    frame.bytes = 8 + 4 * lengths_.size() + header_bytes_;
    for (const auto length : lengths_) {
        frame.bytes += length;
    }
    buffers_.clear();
    expect(Stage::prefix, 8);
}

// One finished stage; true when a frame is whole.
Result<bool> FrameReader::consume(Frame& frame) {
    if (stage_ == Stage::prefix) {
        auto status = check_prefix();
        return status ? Result<bool>(false) : Result<bool>(status.error());
    }
    if (stage_ == Stage::lengths) {
        auto status = check_lengths();
        return status ? Result<bool>(false) : Result<bool>(status.error());
    }
    if (stage_ == Stage::header) {
        auto parsed = parse_json_object(part_, {bounds_.header_depth, bounds_.header_values});
        if (!parsed) {
            return violation("a header that is " + parsed.error().message);
        }
        header_ = std::move(*parsed);
        const auto type = header_.find("type");
        if (type == header_.end() || !type->is_string()) {
            return violation("a header without a type");
        }
    } else {
        buffers_.push_back(std::move(part_));
    }
    if (buffers_.size() < lengths_.size()) {
        expect(Stage::buffers, lengths_[buffers_.size()]);
        return false;
    }
    finish(frame);
    return true;
}

Result<ReadState> FrameReader::read(int fd, Frame& frame) {
    while (true) {
        while (input_at_ < input_end_ || part_.size() == wanted_) {
            const std::size_t take = std::min(wanted_ - part_.size(), input_end_ - input_at_);
            part_.append(input_.get() + input_at_, take);
            input_at_ += take;
            if (part_.size() < wanted_) {
                break;
            }
            CELLBLOCK_ASSIGN_OR_RETURN(auto whole, consume(frame));
            if (whole) {
                return ReadState::frame;
            }
        }
        if (!input_) {
            input_ = std::make_unique_for_overwrite<char[]>(kReadBytes);
        }
        input_at_ = 0;
        const ssize_t got = ::recv(fd, input_.get(), kReadBytes, MSG_DONTWAIT);
        const int error = errno;
        input_end_ = got > 0 ? static_cast<std::size_t>(got) : 0;
        if (got > 0) {
            continue;
        }
        if (got < 0 && (error == EAGAIN || error == EINTR)) {
            return ReadState::would_block;
        }
        return ReadState::end_of_file;
    }
}

std::size_t OutgoingFrame::size() const {
    std::size_t bytes = 0;
    for (const auto& part : parts) {
        bytes += part.size();
    }
    return bytes;
}

std::string OutgoingFrame::joined() const {
    std::string out;
    out.reserve(size());
    for (const auto& part : parts) {
        out += part;
    }
    return out;
}

OutgoingFrame make_frame(const nlohmann::json& header, std::vector<std::string> buffers) {
    std::string text = header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    std::string lengths;
    append_big_endian(lengths, static_cast<std::uint32_t>(text.size()));
    append_big_endian(lengths, static_cast<std::uint32_t>(buffers.size()));
    for (const auto& buffer : buffers) {
        append_big_endian(lengths, static_cast<std::uint32_t>(buffer.size()));
    }
    OutgoingFrame frame(std::move(lengths));
    frame.parts.reserve(2 + buffers.size());
    frame.parts.push_back(std::move(text));
    for (auto& buffer : buffers) {
        frame.parts.push_back(std::move(buffer));
    }
    return frame;
}

std::string encode_frame(const nlohmann::json& header, std::vector<std::string> buffers) {
    return make_frame(header, std::move(buffers)).joined();
}

Status FrameWriter::push(OutgoingFrame frame) {
    const std::size_t bytes = frame.size();
    if (queued_bytes_ + bytes > kMaxQueued) {
        return Error{"send to the sandbox", 0, "it has stopped reading", {}};
    }
    queued_bytes_ += bytes;
    for (auto& part : frame.parts) {
        if (!part.empty()) {
            queue_.push_back(std::move(part));
        }
    }
    return Ok{};
}

Status FrameWriter::flush(int fd) {
    constexpr std::size_t kMostParts = 64;  // in one call
    while (!queue_.empty()) {
        std::array<iovec, kMostParts> parts{};
        msghdr message{};
        message.msg_iov = parts.data();
        for (auto& part : queue_) {
            if (message.msg_iovlen == kMostParts) {
                break;
            }
            const std::size_t skipped = message.msg_iovlen == 0 ? sent_ : 0;
            parts[message.msg_iovlen++] = {part.data() + skipped, part.size() - skipped};
        }
        // The cleaner may call send() alone, and sends its frames in one piece.
        constexpr int kFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
        const ssize_t sent = message.msg_iovlen == 1 ? ::send(fd, parts[0].iov_base, parts[0].iov_len, kFlags)
                                                     : ::sendmsg(fd, &message, kFlags);
        if (sent < 0) {
            return errno == EAGAIN || errno == EINTR ? Status(Ok{}) : errno_error("send to the sandbox");
        }
        queued_bytes_ -= static_cast<std::size_t>(sent);
        sent_ += static_cast<std::size_t>(sent);
        while (!queue_.empty() && sent_ >= queue_.front().size()) {
            sent_ -= queue_.front().size();
            queue_.pop_front();
        }
    }
    return Ok{};
}

Status send_frame_with_descriptors(int socket, const std::string& bytes, std::span<const int> descriptors) {
    constexpr std::size_t kMost = 2;
    if (descriptors.empty() || descriptors.size() > kMost) {
        return Error{"send to the warden", 0, "one or two descriptors go with a frame", {}};
    }
    const ssize_t sent = send_with_descriptors(socket, bytes, descriptors);
    if (sent < 0) {
        return errno_error("send to the warden");
    }
    if (static_cast<std::size_t>(sent) != bytes.size()) {
        return Error{"send to the warden", 0, "it has stopped reading", {}};
    }
    return Ok{};
}

}  // namespace cellblock::sandbox
