// Decodes and checks what a sandbox sent, and encodes what the host sends.
#include "sandbox/channel/messages.h"

#include <utility>

#include "sandbox/base/json_text.h"
#include "sandbox/base/text.h"
#include "sandbox/channel/fields.h"

namespace cellblock::sandbox {

namespace {

using nlohmann::json;

constexpr std::size_t kPatternBytes = 256;  // matched against all that is kept
constexpr std::uint64_t kMostErrno = 4095;

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
        if (!inner.header.is_object() || inner.header.contains("type")) {
            fields.fail("error");
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
    if (type == "starting") {
        return WorkerStarting{fields.text("python", kNameBytes)};
    }
    if (type == "ready") {
        return WorkerReady{fields.text("python", kNameBytes), fields.text("ipython", kNameBytes),
                           fields.text("banner", kNameBytes * 4)};
    }
    if (type == "failed") {
        return WorkerFailed{printable(fields.text("message", kNameBytes * 8))};
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
    CELLBLOCK_RETURN_IF_ERROR(fields.finish());
    return std::move(*message);
}

Result<DebugMessage> decode_debug_frame(Frame frame) {
    const std::string type = frame.type();
    Fields fields(frame);
    DebugMessage message;
    if (type == "debugger") {
        const auto missing = fields.optional_text("missing");
        if (missing && missing != "debugpy" && missing != "sockets") {
            fields.fail("missing");
        }
        message = DebuggerFound{fields.flag("available"), missing != "sockets", fields.text("python", 40)};
    } else if (type == "debug_reply") {
        message = DebugAnswer{fields.number("request"), fields.raw("content", '{', kReplyBytes)};
    } else if (type == "debug_event") {
        message = DebugNews{fields.raw("content", '{', kReplyBytes)};
    } else {
        return Error{"frame", 0, "a debugger's frame of the unknown type '" + type.substr(0, 40) + "'", {}};
    }
    CELLBLOCK_RETURN_IF_ERROR(fields.finish());
    return message;
}

Result<FileMessage> decode_file_frame(Frame frame) {
    Fields fields(frame);
    if (frame.type() != "file_reply") {
        return Error{
            "frame", 0, "a file agent's frame of the unknown type '" + frame.type().substr(0, 40) + "'", {}};
    }
    FileAnswer answer;
    FileReply& reply = answer.reply;
    reply.request = fields.number("request");
    answer.error = static_cast<int>(fields.number("errno", kMostErrno));
    reply.size_bytes = fields.number("size");
    reply.modified = fields.number("modified");
    if (!fields.is_null("bytes")) {
        reply.bytes = fields.buffer("bytes");
    }
    reply.entries = fields.file_entries("entries");
    reply.more = fields.flag("more");
    CELLBLOCK_RETURN_IF_ERROR(fields.finish());
    return FileMessage(std::move(answer));
}

Result<CommandMessage> decode_command_frame(Frame frame) {
    const std::string type = frame.type();
    Fields fields(frame);
    CommandMessage message;
    const CommandId command = fields.number("command");
    if (type == "command_output") {
        const bool is_error = fields.one_of<bool>("name", {{"stdout", false}, {"stderr", true}});
        message = CommandOutput{command, is_error, fields.buffer("bytes")};
    } else if (type == "input_taken") {
        message = InputTaken{command};
    } else if (type == "command_exited") {
        CommandExited exited{{command}};
        exited.done.status = fields.optional_int("status");
        exited.done.signal = fields.optional_int("signal");
        exited.error = static_cast<int>(fields.number("errno", kMostErrno));
        exited.done.cut = fields.flag("cut");
        if ((exited.error != 0 ? 1 : 0) + (exited.done.status ? 1 : 0) + (exited.done.signal ? 1 : 0) != 1) {
            fields.fail("status");
        }
        message = std::move(exited);
    } else {
        return Error{
            "frame", 0, "a command agent's frame of the unknown type '" + type.substr(0, 40) + "'", {}};
    }
    CELLBLOCK_RETURN_IF_ERROR(fields.finish());
    return message;
}

Result<WardenMessage> decode_warden_frame(Frame frame) {
    const std::string type = frame.type();
    Fields fields(frame);
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
    CELLBLOCK_RETURN_IF_ERROR(fields.finish());
    return message;
}

// --- host → sandbox

namespace {

// A client's JSON object; anything else becomes the empty one.
json object_from(const std::string& text) {
    auto parsed = parse_json_object(text, {64});
    return parsed ? std::move(*parsed) : json::object();
}

json query_header(CompleteQuery query) {
    json header{{"type", "complete"}, {"cursor", query.cursor}};
    header["code"] = std::move(query.code);
    return header;
}
json query_header(InspectQuery query) {
    json header{{"type", "inspect"}, {"cursor", query.cursor}, {"detail", query.detail}};
    header["code"] = std::move(query.code);
    return header;
}
json query_header(IsCompleteQuery query) {
    json header{{"type", "is_complete"}};
    header["code"] = std::move(query.code);
    return header;
}
json query_header(const CommInfoQuery& query) {
    return {{"type", "comm_info"},
            {"target_name", query.target_name ? json(*query.target_name) : json(nullptr)}};
}

json file_header(const ReadFile& read) {
    return {{"do", "read"}, {"path", read.path}, {"offset", read.offset}, {"size", read.size}};
}
json file_header(const WriteFile& write) {
    return {{"do", "write"},
            {"path", write.path},
            {"offset", write.offset ? json(*write.offset) : json()},
            {"bytes", 0}};
}
json file_header(const ListFolder& list) {
    return {{"do", "list"}, {"path", list.path}, {"after", list.after}};
}
json file_header(const MakeFolder& make) {
    return {{"do", "make"}, {"path", make.path}};
}
json file_header(const MoveFile& move) {
    return {{"do", "move"}, {"path", move.path}, {"to", move.to}};
}
json file_header(const RemoveFile& remove) {
    return {{"do", "remove"}, {"path", remove.path}, {"with_content", remove.with_content}};
}

// Where cells start: the policy's /work, whatever it is made of.
std::string files_summary(const Policy& policy) {
    std::string out;
    for (const auto& rule : policy.files) {
        if (rule.mode == FileMode::empty) {
            continue;
        }
        out += (out.empty() ? "" : ", ") + rule.sandbox;
    }
    return out;
}

std::string network_summary(const NetworkRules& rules) {
    std::string out;
    for (const auto& rule : rules.allow) {
        out += (out.empty() ? "" : ", ") + rule.text;
    }
    return out.empty() ? "none" : out;
}

json read_only_places(const Policy& policy) {
    json places = json::array();
    for (const auto& rule : policy.files) {
        if (rule.mode == FileMode::read) {
            places.push_back(rule.sandbox);
        }
    }
    return places;
}

}  // namespace

std::string encode_configure(const Policy& policy) {
    return encode_frame({{"type", "configure"},
                         {"policy",
                          {{"name", policy.name},
                           {"cell_time", format_duration(policy.limits.cell_time)},
                           {"memory", format_size(policy.limits.memory_bytes)},
                           {"processes", policy.limits.processes},
                           {"disk", format_size(policy.limits.disk_bytes)},
                           {"output_bytes", policy.limits.output_bytes},
                           {"network", network_summary(policy.network)},
                           {"files", files_summary(policy)},
                           {"read_only", read_only_places(policy)},
                           {"history", policy.history != "none"},
                           {"packages", policy.packages.allow},
                           {"working_directory", "/work"}}},
                         {"preload", policy.preload},
                         {"imports", policy.imports ? json(*policy.imports) : json()}});
}

OutgoingFrame encode_trust(const std::string& certificate) {
    return make_frame({{"type", "trust"}, {"certificate", certificate}});
}

OutgoingFrame encode_execute(CellId cell, ExecuteRequest request) {
    json header{{"type", "execute"},
                {"cell", cell},
                {"silent", request.silent},
                {"store_history", request.store_history},
                {"user_expressions", object_from(request.user_expressions)},
                {"allow_stdin", request.allow_stdin},
                {"count", request.count},
                {"metadata", object_from(request.metadata)},
                {"parent", request.parent}};
    header["code"] = std::move(request.code);
    return make_frame(header);
}

OutgoingFrame encode_comm(CellId cell, CommInput message) {
    json header = {{"type", message_type(message.kind)},
                   {"cell", cell},
                   {"comm_id", message.comm_id},
                   {"data", 0},
                   {"metadata", 1},
                   {"parent", message.parent}};
    if (message.kind == CommKind::open) {
        header["target_name"] = message.target_name;
    }
    std::vector<std::string> buffers = std::move(message.buffers);
    buffers.insert(buffers.begin(), std::move(message.metadata));
    buffers.insert(buffers.begin(), std::move(message.data));
    return make_frame(header, std::move(buffers));
}

OutgoingFrame encode_query(QueryId query, Query what) {
    json header = std::visit([](auto& one) { return query_header(std::move(one)); }, what);
    header["query"] = query;
    return make_frame(header);
}

OutgoingFrame encode_input_reply(std::uint64_t request, std::string value) {
    json header{{"type", "input_reply"}, {"request", request}};
    header["value"] = std::move(value);
    return make_frame(header);
}

OutgoingFrame encode_file_request(FileId id, FileRequest request) {
    json header = std::visit([](const auto& one) { return file_header(one); }, request);
    header["type"] = "file";
    header["request"] = id;
    std::vector<std::string> buffers;
    if (auto* write = std::get_if<WriteFile>(&request)) {
        buffers.push_back(std::move(write->bytes));
    }
    return make_frame(header, std::move(buffers));
}

OutgoingFrame encode_run(CommandId command, CommandRequest request, std::uint64_t output_bytes) {
    json header{{"type", "run"}, {"command", command}, {"input", request.has_input}};
    header["argv"] = std::move(request.argv);
    header["directory"] = request.directory ? json(std::move(*request.directory)) : json(nullptr);
    header["environment"] = json(std::move(request.environment));
    header["terminal"] =
        request.terminal ? json::array({request.terminal->rows, request.terminal->columns}) : json(nullptr);
    header["output_bytes"] = output_bytes;
    return make_frame(header);
}

OutgoingFrame encode_command_input(CommandId command, std::string bytes, bool end) {
    std::vector<std::string> buffers;
    buffers.push_back(std::move(bytes));
    return make_frame({{"type", "input"}, {"command", command}, {"bytes", 0}, {"end", end}},
                      std::move(buffers));
}

OutgoingFrame encode_signal(CommandId command, int number) {
    return make_frame({{"type", "signal"}, {"command", command}, {"signal", number}});
}

OutgoingFrame encode_resize(CommandId command, TerminalSize size) {
    return make_frame(
        {{"type", "resize"}, {"command", command}, {"rows", size.rows}, {"columns", size.columns}});
}

OutgoingFrame encode_debug_request(DebugId request, std::string content, bool idle) {
    std::vector<std::string> buffers;
    buffers.push_back(std::move(content));
    return make_frame({{"type", "debug_request"}, {"request", request}, {"idle", idle}, {"content", 0}},
                      std::move(buffers));
}

OutgoingFrame encode_history_reply(std::uint64_t request, HistoryAnswer answer) {
    std::vector<std::string> buffers;
    buffers.push_back(std::move(answer.lines));
    return make_frame({{"type", "history_reply"},
                       {"request", request},
                       {"error", answer.error.empty() ? json(nullptr) : json(answer.error)},
                       {"lines", 0}},
                      std::move(buffers));
}

OutgoingFrame encode_install_reply(std::uint64_t request, const InstallAnswer& answer) {
    return make_frame({{"type", "install_reply"},
                       {"request", request},
                       {"error", answer.error.empty() ? json(nullptr) : json(answer.error)},
                       {"installed", answer.installed},
                       {"present", answer.present}});
}

std::string encode_warden_command(const char* type) {
    return encode_frame({{"type", type}});
}

}  // namespace cellblock::sandbox
