// Frames on a stream socket, in the format of FRAMES.md.
//
// FrameReader turns bytes from a sandbox into frames and checks every size before it allocates memory.
// FrameWriter queues outgoing frames and sends as much as the socket takes:
//
//     FrameReader reader(kWorkerBounds);
//     Frame frame;
//     while (*reader.read(fd, frame) == ReadState::frame) { ... frame.header["type"] ... }
//
//     FrameWriter writer;
//     writer.push(make_frame({{"type", "interrupt"}}));
//     writer.flush(fd);   // and again when fd takes more, until writer.empty()
//
// The text of a header and each buffer travel as strings of their own, which are moved and sent by one
// sendmsg(), so that a cell's source is copied once here (when it becomes JSON) and a buffer not at all.
//
// Both classes are used by one thread, and the caller owns the descriptor. After an Error a reader must not
// be used.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sandbox/api/result.h"

namespace cellblock::sandbox {

// NOLINTNEXTLINE(bugprone-exception-escape): json's move doesn't throw
struct Frame {
    nlohmann::json header;  // an object with a string "type"
    std::vector<std::string> buffers;
    std::size_t bytes = 0;  // size of the whole frame on the socket

    [[nodiscard]] std::string type() const { return header.value("type", std::string()); }
};

// The most that a sender may send; FRAMES.md tells which bounds hold for which socket.
struct FrameBounds {
    std::uint32_t header_bytes;
    std::uint32_t buffers;
    std::uint32_t buffer_bytes;
    std::uint64_t frame_bytes;
    std::size_t header_depth;
    std::size_t header_values;
};

inline constexpr FrameBounds kWorkerBounds{1U << 20, 256, 64U << 20, 128U << 20, 8, 50'000};
inline constexpr FrameBounds kWardenBounds{64U << 10, 0, 0, 64U << 10, 2, 100};
inline constexpr FrameBounds kDebugBounds{4U << 10, 1, 8U << 20, 9U << 20, 2, 100};
inline constexpr FrameBounds kFilesBounds{1U << 20, 1, 16U << 20, 17U << 20, 3, 3'000};
inline constexpr FrameBounds kCommandsBounds{4U << 10, 1, 64U << 10, 72U << 10, 2, 20};

enum class ReadState { frame, would_block, end_of_file };

class FrameReader {
public:
    explicit FrameReader(FrameBounds bounds) : bounds_(bounds) {}

    // Takes the next frame from what has arrived on `fd`, without blocking. End of file in the middle of a
    // frame is reported as end_of_file: half a frame is what a killed process leaves. Error: a frame that
    // breaks the bounds.
    Result<ReadState> read(int fd, Frame& frame);

private:
    enum class Stage { prefix, lengths, header, buffers };

    Result<bool> consume(Frame& frame);
    Status check_prefix();
    Status check_lengths();
    void expect(Stage stage, std::size_t bytes);
    void finish(Frame& frame);

    FrameBounds bounds_;
    Stage stage_ = Stage::prefix;
    std::size_t wanted_ = 8;                    // bytes of the current stage
    std::string part_;                          // those of them that have arrived
    std::unique_ptr<char[]> input_;             // the bytes of the last read …
    std::size_t input_at_ = 0, input_end_ = 0;  // … of which these were not used yet
    std::uint32_t header_bytes_ = 0;
    std::vector<std::uint32_t> lengths_;
    nlohmann::json header_;
    std::vector<std::string> buffers_;
};

// The bytes of a frame to send, in pieces: lengths, header, buffers.
struct OutgoingFrame {
    OutgoingFrame() = default;
    OutgoingFrame(std::string whole) { parts.push_back(std::move(whole)); }

    std::vector<std::string> parts;

    [[nodiscard]] std::size_t size() const;
    [[nodiscard]] std::string joined() const;  // a copy in one piece
};

// Text that isn't UTF-8 is replaced by U+FFFD.
OutgoingFrame make_frame(const nlohmann::json& header, std::vector<std::string> buffers = {});

// The same in one piece, for small frames.
std::string encode_frame(const nlohmann::json& header, std::vector<std::string> buffers = {});

class FrameWriter {
public:
    // The most that may wait for a peer that doesn't read.
    static constexpr std::size_t kMaxQueued = 256U << 20;

    // Error: more than kMaxQueued bytes would wait.
    Status push(OutgoingFrame frame);
    // Sends what `fd` takes, without blocking. Error: the peer has closed the socket.
    Status flush(int fd);
    [[nodiscard]] bool empty() const { return queue_.empty(); }

private:
    std::deque<std::string> queue_;  // parts of frames
    std::size_t sent_ = 0;           // bytes of the first part
    std::size_t queued_bytes_ = 0;
};

// Sends a whole frame together with one or two descriptors (SCM_RIGHTS on the frame's first byte). For small
// frames on a socket with room: anything else is an Error.
Status send_frame_with_descriptors(int socket, const std::string& bytes, std::span<const int> descriptors);

}  // namespace cellblock::sandbox
