// What a worker, its debugger, the warden or a builder writes on its socket: frames, their JSON, their
// schema.
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "sandbox/api/unique_fd.h"
#include "sandbox/base/text.h"
#include "sandbox/channel/frame.h"
#include "sandbox/channel/messages.h"
#include "sandbox/packages/builder_messages.h"

using namespace cellblock::sandbox;

namespace {

// Whatever is let through must keep the promises of api/types.h.
void check(const WorkerMessage& message) {
    if (const auto* stream = std::get_if<StreamOutput>(&message); stream != nullptr && stream->text.empty()) {
        return;
    }
    if (const auto* display = std::get_if<DisplayOutput>(&message); display != nullptr) {
        if (!nlohmann::json::accept(display->metadata.text)) {
            std::abort();
        }
        for (const auto& item : display->data) {
            const auto* raw = std::get_if<RawJson>(&item.value);
            if (raw != nullptr && !nlohmann::json::accept(raw->text)) {
                std::abort();
            }
        }
    }
}

// In pieces, as a socket gives them: half a length, half a header.
template <class Take>
void read_all(FrameBounds bounds, Take take, const std::uint8_t* data, std::size_t size, std::size_t piece) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return;
    }
    const UniqueFd reading(ends[0]);
    UniqueFd writing(ends[1]);
    FrameReader reader(bounds);
    while (true) {
        const std::size_t now = std::min(size, piece);
        if (now > 0 && ::send(writing.get(), data, now, MSG_NOSIGNAL) != static_cast<ssize_t>(now)) {
            return;
        }
        data += now;
        size -= now;
        if (size == 0) {
            writing.reset();
        }
        Frame frame;
        auto state = reader.read(reading.get(), frame);
        for (; state && *state == ReadState::frame; state = reader.read(reading.get(), frame)) {
            take(std::move(frame));
            frame = {};
        }
        if (!state || *state == ReadState::end_of_file) {
            return;
        }
    }
}

void take_worker_frame(Frame frame) {
    if (const auto message = decode_worker_frame(std::move(frame))) {
        check(*message);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) {
        return 0;
    }
    const std::size_t piece = data[0] < 128 ? data[0] + 1U : 60000U;
    read_all(kWorkerBounds, take_worker_frame, data + 1, size - 1, piece);
    read_all(
        kWardenBounds, [](Frame frame) { (void)decode_warden_frame(frame); }, data + 1, size - 1, piece);
    read_all(
        kDebugBounds, [](Frame frame) { (void)decode_debug_frame(std::move(frame)); }, data + 1, size - 1,
        piece);
    read_all(
        kFilesBounds, [](Frame frame) { (void)decode_file_frame(std::move(frame)); }, data + 1, size - 1,
        piece);
    read_all(
        kCommandsBounds, [](Frame frame) { (void)decode_command_frame(std::move(frame)); }, data + 1,
        size - 1, piece);
    read_all(
        kBuilderBounds, [](Frame frame) { (void)decode_builder_frame(std::move(frame)); }, data + 1, size - 1,
        piece);
    return 0;
}
