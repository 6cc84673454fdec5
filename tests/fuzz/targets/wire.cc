// A client's message on the Jupyter wire, signed and not, and its content. The parts are split at newlines.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "kernel/jupyter/message_text.h"
#include "kernel/jupyter/wire.h"
#include "kernel/server/request_content.h"

using namespace cellblock;

namespace {

kernel::Frames split(const std::string& text) {
    kernel::Frames frames;
    std::size_t start = 0;
    for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', start)) {
        frames.push_back(text.substr(start, end - start));
        start = end + 1;
    }
    frames.push_back(text.substr(start));
    return frames;
}

void look_at(const kernel::Message& message) {
    (void)kernel::whole_content(message.type(), message.content);
    (void)kernel::worker_metadata(message);
    (void)kernel::member_text(message.content_text, "data");
    (void)message.bytes();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const kernel::Frames frames = split(std::string(reinterpret_cast<const char*>(data), size));
    kernel::Wire open(*kernel::Signer::create("hmac-sha256", ""));
    if (const auto message = open.parse(frames)) {
        look_at(*message);
    }
    // The same under a key, well signed: only then is anything parsed.
    const auto signer = *kernel::Signer::create("hmac-sha256", "key");
    kernel::Wire keyed(signer);
    if (keyed.parse(frames)) {
        std::abort();  // a signature that was guessed
    }
    if (frames.size() >= 6) {
        kernel::Frames good = frames;
        good[1] = signer.sign({good[2], good[3], good[4], good[5]});
        good[0] = std::string(kernel::kDelimiter);
        if (const auto message = keyed.parse(good)) {
            look_at(*message);
            if (keyed.parse(good)) {
                std::abort();  // a replay
            }
        }
    }
    return 0;
}
