// The frames between the host and a builder of packages.
//
// Purpose: the schema of these frames; the table is in channel/FRAMES.md. A builder runs pip on what an index
// gave it, so its frames are checked as a worker's are. Ownership: plain values. Threads: pure. Failure: an
// Error.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "sandbox/api/result.h"
#include "sandbox/channel/frame.h"

namespace cellblock::sandbox {

inline constexpr FrameBounds kBuilderBounds{512U << 10, 1, 1U << 20, 2U << 20, 4, 20'000};

// The wheels that the index says are to be installed, by their file names.
struct Resolved {
    std::vector<std::string> files;
    std::vector<std::string> digests;  // SHA-256 of each, or empty: the index gives none
};
struct BuilderNote {
    std::string text;  // a line for the user
};
struct BuiltFile {
    std::string path;
    std::uint64_t size = 0;
    bool executable = false;
};
struct BuiltData {
    std::string bytes;
};
struct BuilderDone {};
struct BuilderFailed {
    std::string message;
};
using BuilderMessage = std::variant<Resolved, BuilderNote, BuiltFile, BuiltData, BuilderDone, BuilderFailed>;

Result<BuilderMessage> decode_builder_frame(Frame frame);

struct FetchOrder {
    std::vector<std::string> requirements;
    std::vector<std::string> constraints;
    std::string index;
    bool certificates = false;  // at /etc/cellblock-ca.pem
    bool upgrade = false;
};
std::string encode_fetch(const FetchOrder& order);
std::string encode_wanted(const std::vector<std::string>& pins);
std::string encode_unpack(const std::string& pin);

}  // namespace cellblock::sandbox
