// Frames on a stream socket; the format is in FRAMES.md.
//
// Purpose: FrameReader turns hostile bytes into frames whose sizes were
// checked before memory was given to them; FrameWriter queues and sends.
// Ownership: neither owns the descriptor it is given.
// Threads: one. Failure: Errors; a reader that gave one gives nothing more.
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
    std::size_t bytes = 0;  // of all of it, as it came

    [[nodiscard]] std::string type() const { return header.value("type", std::string()); }
};

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

enum class ReadState { frame, would_block, end_of_file };

class FrameReader {
public:
    explicit FrameReader(FrameBounds bounds) : bounds_(bounds) {}

    // Takes the next frame from what has arrived on fd (non-blocking).
    // end_of_file in the middle of a frame is end_of_file as well: half a
    // frame is what a killed process leaves.
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
    std::string part_;                          // those that have come
    std::unique_ptr<char[]> input_;             // what was read last …
    std::size_t input_at_ = 0, input_end_ = 0;  // … and not yet looked at
    std::uint32_t header_bytes_ = 0;
    std::vector<std::uint32_t> lengths_;
    nlohmann::json header_;
    std::vector<std::string> buffers_;
};

// The bytes of a frame.
std::string encode_frame(const nlohmann::json& header, const std::vector<std::string>& buffers = {});

class FrameWriter {
public:
    // Bytes that may wait for a reader that doesn't read.
    static constexpr std::size_t kMaxQueued = 256U << 20;

    Status push(std::string bytes);
    // Sends what fd takes (non-blocking). Status: the peer is gone.
    Status flush(int fd);
    [[nodiscard]] bool empty() const { return queue_.empty(); }

private:
    std::deque<std::string> queue_;
    std::size_t sent_ = 0;  // of the first in the queue
    std::size_t queued_bytes_ = 0;
};

// Sends a whole frame together with one or two descriptors (SCM_RIGHTS on its
// first byte). For small frames on a socket with room: anything else is an Error.
Status send_frame_with_descriptors(int socket, const std::string& bytes, std::span<const int> descriptors);

}  // namespace cellblock::sandbox
