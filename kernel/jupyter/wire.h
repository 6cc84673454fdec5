// Jupyter messages as frames: identities, delimiter, signature, four JSON parts, buffers.
//
// Purpose: checks everything that comes before anything is built from it: first the signature over the bytes
// as they came, then replay, size, depth, JSON, and the header's fields. Signs everything that goes out.
//
//     auto message = wire.parse(std::move(frames));
//     if (!message) { log(message.error().text()); return; }
//
// A Wire remembers the signatures that it has seen; the rest are plain values. One thread. parse() fails with
// an Error that says why the message is dropped; nothing throws.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "sandbox/api/result.h"

namespace cellblock::kernel {

using Frames = std::vector<std::string>;

inline constexpr std::string_view kDelimiter = "<IDS|MSG>";
inline constexpr std::size_t kMaxPartBytes = 16U << 20;    // of one JSON part
inline constexpr std::size_t kMaxHeaderBytes = 64U << 10;  // every answer echoes the header as its parent
inline constexpr std::size_t kMaxMessageBytes = 128U << 20;
inline constexpr std::size_t kMaxDepth = 128;
inline constexpr std::size_t kRememberedSignatures = 65'536;

// A message that was received and passed all checks.
struct Message {  // NOLINT(bugprone-exception-escape): moves of nlohmann::json do not throw
    Frames identities;
    nlohmann::json header;         // an object with texts msg_id and msg_type
    nlohmann::json parent_header;  // an object
    nlohmann::json content;        // an object
    std::string header_text;       // these three as they came, to the letter
    std::string metadata_text;     // an object
    std::string content_text;      // an object
    Frames buffers;

    [[nodiscard]] const std::string& type() const { return header["msg_type"].get_ref<const std::string&>(); }
    [[nodiscard]] const std::string& id() const { return header["msg_id"].get_ref<const std::string&>(); }
    [[nodiscard]] std::size_t bytes() const;
};

// A message to be sent; its parts are JSON text.
struct Outgoing {
    Frames identities;  // of iopub: the topic
    std::string header;
    std::string parent_header = "{}";
    std::string metadata = "{}";
    std::string content = "{}";
    Frames buffers;
};

// Signs with HMAC and the digest that the connection file's scheme names. With an empty key nothing is
// signed.
class Signer {
public:
    static sandbox::Result<Signer> create(const std::string& scheme, const std::string& key);
    // The signature in hexadecimal digits; empty if there is no key.
    [[nodiscard]] std::string sign(const std::array<std::string_view, 4>& parts) const;
    [[nodiscard]] bool authenticates() const { return keyed_ != nullptr; }

private:
    std::shared_ptr<void> keyed_;  // an EVP_MAC_CTX that knows the key
};

class Wire {
public:
    explicit Wire(Signer signer) : signer_(std::move(signer)) {}

    // The frames of one message as it came from a socket, identities first. The parts' memory is kept, not
    // copied.
    sandbox::Result<Message> parse(Frames frames);
    // The frames to send, signed.
    [[nodiscard]] Frames serialise(Outgoing message) const;

private:
    bool is_new(std::string signature);

    Signer signer_;
    std::unordered_set<std::string> seen_;
    std::deque<std::string> seen_order_;
};

}  // namespace cellblock::kernel
