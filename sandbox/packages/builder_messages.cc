// Frames of a builder.
#include "sandbox/packages/builder_messages.h"

#include "sandbox/channel/fields.h"

namespace cellblock::sandbox {

namespace {

constexpr std::size_t kMostPackages = 300;
constexpr std::size_t kMostLine = 500;
constexpr std::size_t kMostMessage = 4000;

BuilderMessage read_resolved(Fields& fields) {
    Resolved out{fields.texts("files"), fields.texts("digests")};
    if (out.files.size() != out.digests.size() || out.files.size() > kMostPackages) {
        fields.fail("files");
    }
    return out;
}

}  // namespace

Result<BuilderMessage> decode_builder_frame(Frame frame) {
    const std::string type = frame.type();
    Fields fields(frame);
    BuilderMessage message;
    if (type == "resolved") {
        message = read_resolved(fields);
    } else if (type == "note") {
        message = BuilderNote{fields.text("text", kMostLine)};
    } else if (type == "file") {
        message =
            BuiltFile{fields.text("path", kMostLine * 2), fields.number("size"), fields.flag("executable")};
    } else if (type == "data") {
        message = BuiltData{fields.buffer("bytes")};
    } else if (type == "done") {
        message = BuilderDone{};
    } else if (type == "failed") {
        message = BuilderFailed{fields.text("message", kMostMessage)};
    } else {
        return Error{"frame", 0, "a builder's frame of the unknown type '" + type.substr(0, 40) + "'", {}};
    }
    CELLBLOCK_RETURN_IF_ERROR(fields.finish());
    return message;
}

std::string encode_fetch(const FetchOrder& order) {
    return encode_frame({{"type", "fetch"},
                         {"requirements", order.requirements},
                         {"constraints", order.constraints},
                         {"index", order.index},
                         {"certificates", order.certificates},
                         {"upgrade", order.upgrade}});
}

std::string encode_wanted(const std::vector<std::string>& pins) {
    return encode_frame({{"type", "wanted"}, {"pins", pins}});
}

std::string encode_unpack(const std::string& pin) {
    return encode_frame({{"type", "unpack"}, {"pin", pin}});
}

}  // namespace cellblock::sandbox
