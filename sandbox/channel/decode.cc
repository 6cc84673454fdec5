// Frames from a sandbox into types, with their schema checked.
#include "sandbox/channel/fields.h"
#include "sandbox/channel/messages.h"

namespace cellblock::sandbox {

namespace {

using nlohmann::json;

constexpr std::size_t kPatternBytes = 256;  // matched against all that is kept

ErrorText read_error(Fields& fields) {
    ErrorText error;
    error.ename = fields.text("ename", kNameBytes * 4);
    error.evalue = fields.text("evalue");
    error.traceback = fields.texts("traceback");
    return error;
}

WorkerMessage read_stream(Fields& fields) {
    return StreamOutput{fields.number("cell"),
                        fields.one_of<StreamName>("name", {{"stdout", StreamName::standard_output},
                                                           {"stderr", StreamName::standard_error}}),
                        fields.buffer_text("text")};
}

WorkerMessage read_display(Fields& fields) {
    DisplayOutput out;
    out.cell = fields.number("cell");
    out.kind =
        fields.one_of<DisplayKind>("kind", {{"display_data", DisplayKind::display_data},
                                            {"execute_result", DisplayKind::execute_result},
                                            {"update_display_data", DisplayKind::update_display_data}});
    out.data = fields.mime_bundle("data");
    out.metadata = fields.raw("metadata", '{', kMetadataBytes);
    out.display_id = fields.optional_text("display_id");
    if (out.kind == DisplayKind::execute_result) {
        out.count = static_cast<int>(fields.number("count", 1U << 30));
    }
    out.buffers = fields.buffers("buffers");
    return out;
}

WorkerMessage read_input_request(Fields& fields) {
    return InputRequest{fields.number("cell"), fields.number("request"), fields.text("prompt"),
                        fields.flag("password")};
}

WorkerMessage read_history_question(Fields& fields) {
    using Kind = HistoryQuestion::Kind;
    HistoryQuestion out;
    out.cell = fields.number("cell");
    out.request = fields.number("request");
    out.kind = fields.one_of<Kind>("access",
                                   {{"tail", Kind::tail}, {"range", Kind::range}, {"search", Kind::search}});
    if (!fields.is_null("n")) {
        out.n = static_cast<std::uint32_t>(fields.number("n", kListItems));
    }
    if (out.kind == Kind::range) {
        out.session = fields.integer("session");
        out.start = fields.integer("start");
        out.stop = fields.is_null("stop") ? std::nullopt : std::optional(fields.integer("stop"));
    }
    if (out.kind == Kind::search) {
        out.pattern = fields.text("pattern", kPatternBytes);
        out.unique = fields.flag("unique");
    }
    return out;
}

WorkerMessage read_install_request(Fields& fields) {
    return InstallRequest{fields.number("cell"), fields.number("request"), fields.texts("requirements"),
                          fields.flag("upgrade")};
}

WorkerMessage read_comm(Fields& fields, CommKind kind) {
    CommOutput out;
    out.cell = fields.number("cell");
    out.kind = kind;
    out.comm_id = fields.text("comm_id", kNameBytes);
    if (kind == CommKind::open) {
        out.target_name = fields.text("target_name", kNameBytes);
        out.target_module = fields.optional_text("target_module");
    }
    out.data = fields.raw("data", '{', kStateBytes);
    out.metadata = fields.raw("metadata", '{', kMetadataBytes);
    out.buffers = fields.buffers("buffers");
    return out;
}

WorkerMessage read_done(Fields& fields, Frame& frame) {
    CellFinished out;
    out.cell = fields.number("cell");
    const bool failed = fields.one_of<bool>("status", {{"ok", false}, {"error", true}});
    if (failed) {
        Frame inner{frame.header.value("error", json::object()), {}};
        if (!inner.header.is_object()) {
            inner.header = json::object();
        }
        Fields error_fields(inner);
        out.error = read_error(error_fields);
        if (!error_fields.finish()) {
            fields.fail("error");
        }
    }
    if (fields.is_null("error") == failed) {
        fields.fail("error");
    }
    out.user_expressions = fields.raw("user_expressions", '{', kReplyBytes);
    out.payload = fields.raw("payload", '[', kReplyBytes);
    return out;
}

std::optional<WorkerMessage> read_message(Fields& fields, Frame& frame, const std::string& type) {
    if (type == "stream") {
        return read_stream(fields);
    }
    if (type == "display") {
        return read_display(fields);
    }
    if (type == "clear_output") {
        return ClearOutput{fields.number("cell"), fields.flag("wait")};
    }
    if (type == "error") {
        return ErrorOutput{fields.number("cell"), read_error(fields)};
    }
    if (type == "input_request") {
        return read_input_request(fields);
    }
    if (type == "history_request") {
        return read_history_question(fields);
    }
    if (type == "install_request") {
        return read_install_request(fields);
    }
    if (type == "comm_open") {
        return read_comm(fields, CommKind::open);
    }
    if (type == "comm_msg") {
        return read_comm(fields, CommKind::message);
    }
    if (type == "comm_close") {
        return read_comm(fields, CommKind::close);
    }
    if (type == "done") {
        return read_done(fields, frame);
    }
    if (type == "reply") {
        return QueryReply{fields.number("query"), false, fields.raw("content", '{', kReplyBytes)};
    }
    if (type == "ready") {
        return WorkerReady{fields.text("python", kNameBytes), fields.text("ipython", kNameBytes),
                           fields.text("banner", kNameBytes * 4)};
    }
    if (type == "failed") {
        return WorkerFailed{fields.text("message", kNameBytes * 8)};
    }
    return std::nullopt;
}

}  // namespace

Result<WorkerMessage> decode_worker_frame(Frame frame) {
    const std::string type = frame.type();
    Fields fields(frame);
    auto message = read_message(fields, frame, type);
    if (!message) {
        return Error{"frame", 0, "a frame of the unknown type '" + type.substr(0, 40) + "'", {}};
    }
    if (auto good = fields.finish(); !good) {
        return good.error();
    }
    return std::move(*message);
}

Result<DebugMessage> decode_debug_frame(Frame frame) {
    const std::string type = frame.type();
    Fields fields(frame);
    DebugMessage message;
    if (type == "debugger") {
        message = DebuggerFound{fields.flag("available"), fields.optional_text("missing") != "sockets",
                                fields.text("python", 40)};
    } else if (type == "debug_reply") {
        message = DebugAnswer{fields.number("request"), fields.raw("content", '{', kReplyBytes)};
    } else if (type == "debug_event") {
        message = DebugNews{fields.raw("content", '{', kReplyBytes)};
    } else {
        return Error{"frame", 0, "a debugger's frame of the unknown type '" + type.substr(0, 40) + "'", {}};
    }
    if (auto good = fields.finish(); !good) {
        return good.error();
    }
    return message;
}

Result<WardenMessage> decode_warden_frame(const Frame& frame) {
    Frame copy = frame;
    const std::string type = frame.type();
    Fields fields(copy);
    WardenMessage message;
    if (type == "hello") {
        message = WardenHello{};
    } else if (type == "memory_kill") {
        message = MemoryKill{};
    } else if (type == "worker_exited") {
        message = WorkerExited{fields.optional_int("exit_status"), fields.optional_int("signal")};
    } else {
        return Error{"frame", 0, "a warden's frame of the unknown type '" + type.substr(0, 40) + "'", {}};
    }
    if (auto good = fields.finish(); !good) {
        return good.error();
    }
    return message;
}

}  // namespace cellblock::sandbox
