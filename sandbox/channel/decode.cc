// Frames from a sandbox into types, with their schema checked.
#include <limits>
#include <set>

#include "sandbox/base/utf8.h"
#include "sandbox/channel/json_text.h"
#include "sandbox/channel/messages.h"

namespace cellblock::sandbox {

namespace {

using nlohmann::json;

constexpr std::size_t kNameBytes = 1024;      // types, identifiers
constexpr std::size_t kPatternBytes = 256;    // matched against all that is kept
constexpr std::size_t kTextBytes = 8U << 20;  // whatever a person reads
constexpr std::size_t kListItems = 10'000;
constexpr std::size_t kRawDepth = 128;

// Reads a frame's fields; the first that breaks the schema is remembered.
class Fields {
public:
    explicit Fields(Frame& frame) : frame_(frame), type_(frame.type()) {}

    [[nodiscard]] bool good() const { return !error_; }
    [[nodiscard]] Error error() const { return *error_; }

    void fail(const std::string& field) {
        if (!error_) {
            error_ =
                Error{"frame", 0, "a frame '" + type_.substr(0, 40) + "' with a bad '" + field + "'", {}};
        }
    }

    std::string text(const char* name, std::size_t max = kTextBytes) {
        json* value = find(name);
        if (value == nullptr || !value->is_string() || value->get_ref<std::string&>().size() > max) {
            fail(name);
            return {};
        }
        return std::move(value->get_ref<std::string&>());
    }

    std::optional<std::string> optional_text(const char* name, std::size_t max = kNameBytes) {
        const json* value = find(name);
        if (value == nullptr || value->is_null()) {
            return std::nullopt;
        }
        return text(name, max);
    }

    bool flag(const char* name) {
        const json* value = find(name);
        if (value == nullptr || !value->is_boolean()) {
            fail(name);
            return false;
        }
        return value->get<bool>();
    }

    std::uint64_t number(const char* name, std::uint64_t max = static_cast<std::uint64_t>(
                                               std::numeric_limits<std::int64_t>::max())) {
        const json* value = find(name);
        if (value == nullptr || !value->is_number_unsigned() || value->get<std::uint64_t>() > max) {
            fail(name);
            return 0;
        }
        return value->get<std::uint64_t>();
    }

    std::int64_t integer(const char* name) {
        constexpr std::int64_t kMost = 1LL << 53U;
        const json* value = find(name);
        if (value == nullptr || !value->is_number_integer() || *value < -kMost || *value > kMost) {
            fail(name);
            return 0;
        }
        return value->get<std::int64_t>();
    }

    bool is_null(const char* name) {
        const json* value = find(name);
        return value == nullptr || value->is_null();
    }

    std::optional<int> optional_int(const char* name) {
        const json* value = find(name);
        if (value == nullptr || value->is_null()) {
            return std::nullopt;
        }
        return static_cast<int>(number(name, 4096));
    }

    std::vector<std::string> texts(const char* name) {
        std::vector<std::string> out;
        json* value = find(name);
        if (value == nullptr || !value->is_array() || value->size() > kListItems) {
            fail(name);
            return out;
        }
        for (auto& item : *value) {
            if (!item.is_string()) {
                fail(name);
                return out;
            }
            out.push_back(std::move(item.get_ref<std::string&>()));
        }
        return out;
    }

    // A buffer of the frame, each taken once.
    std::string buffer(const json& index, const char* name) {
        if (!index.is_number_unsigned() || index.get<std::uint64_t>() >= frame_.buffers.size() ||
            !taken_.insert(index.get<std::size_t>()).second) {
            fail(name);
            return {};
        }
        return std::move(frame_.buffers[index.get<std::size_t>()]);
    }

    // A buffer of UTF-8.
    std::string buffer_text(const char* name) {
        const json* value = find(name);
        if (value == nullptr) {
            fail(name);
            return {};
        }
        std::string text = buffer(*value, name);
        if (text.size() > kTextBytes || !is_utf8(text)) {
            fail(name);
        }
        return text;
    }

    RawJson raw_at(const json& index, const char* name) {
        RawJson raw{buffer(index, name)};
        if (good() && !check_json(raw.text, kRawDepth)) {
            fail(name);
        }
        return raw;
    }

    RawJson raw(const char* name, char bracket) {
        const json* value = find(name);
        if (value == nullptr) {
            fail(name);
            return {};
        }
        RawJson raw = raw_at(*value, name);
        const auto first = raw.text.find_first_not_of(" \t\r\n");
        if (first == std::string::npos || raw.text[first] != bracket) {
            fail(name);
        }
        return raw;
    }

    std::vector<std::string> buffers(const char* name) {
        std::vector<std::string> out;
        const json* value = find(name);
        if (value == nullptr || !value->is_array()) {
            fail(name);
            return out;
        }
        for (const auto& index : *value) {
            out.push_back(buffer(index, name));
        }
        return out;
    }

    std::vector<MimeItem> mime_bundle(const char* name) {
        std::vector<MimeItem> out;
        json* value = find(name);
        if (value == nullptr || !value->is_object() || value->size() > kListItems) {
            fail(name);
            return out;
        }
        for (auto& [type, item] : value->items()) {
            const bool one_member = item.is_object() && item.size() == 1;
            if (type.empty() || type.size() > kNameBytes) {
                fail(name);
                break;
            }
            if (item.is_string()) {
                out.push_back({type, std::move(item.get_ref<std::string&>())});
            } else if (one_member && item.contains("bytes")) {
                out.push_back({type, Bytes{buffer(item["bytes"], name)}});
            } else if (one_member && item.contains("json")) {
                out.push_back({type, raw_at(item["json"], name)});
            } else {
                fail(name);
            }
        }
        return out;
    }

    template <class Value>
    Value one_of(const char* name, std::initializer_list<std::pair<const char*, Value>> values) {
        const std::string given = text(name, kNameBytes);
        for (const auto& [word, value] : values) {
            if (given == word) {
                return value;
            }
        }
        fail(name);
        return values.begin()->second;
    }

private:
    json* find(const char* name) {
        const auto found = frame_.header.find(name);
        return found == frame_.header.end() ? nullptr : &*found;
    }

    Frame& frame_;
    std::string type_;
    std::optional<Error> error_;
    std::set<std::size_t> taken_;
};

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
    out.metadata = fields.raw("metadata", '{');
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

WorkerMessage read_comm(Fields& fields, CommKind kind) {
    CommOutput out;
    out.cell = fields.number("cell");
    out.kind = kind;
    out.comm_id = fields.text("comm_id", kNameBytes);
    if (kind == CommKind::open) {
        out.target_name = fields.text("target_name", kNameBytes);
        out.target_module = fields.optional_text("target_module");
    }
    out.data = fields.raw("data", '{');
    out.metadata = fields.raw("metadata", '{');
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
        if (!error_fields.good()) {
            fields.fail("error");
        }
    }
    out.user_expressions = fields.raw("user_expressions", '{');
    out.payload = fields.raw("payload", '[');
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
        return QueryReply{fields.number("query"), false, fields.raw("content", '{')};
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
    if (!fields.good()) {
        return fields.error();
    }
    return std::move(*message);
}

Result<DebugMessage> decode_debug_frame(Frame frame) {
    const std::string type = frame.type();
    Fields fields(frame);
    DebugMessage message;
    if (type == "debugger") {
        message = DebuggerFound{fields.flag("available"), fields.optional_text("missing") != "sockets"};
    } else if (type == "debug_reply") {
        message = DebugAnswer{fields.number("request"), fields.raw("content", '{')};
    } else if (type == "debug_event") {
        message = DebugNews{fields.raw("content", '{')};
    } else {
        return Error{"frame", 0, "a debugger's frame of the unknown type '" + type.substr(0, 40) + "'", {}};
    }
    if (!fields.good()) {
        return fields.error();
    }
    return message;
}

Result<WardenMessage> decode_warden_frame(const Frame& frame) {
    Frame copy = frame;
    const std::string type = frame.type();
    Fields fields(copy);
    WardenMessage message;
    if (type == "hello") {
        message = WardenHello{fields.text("python", 40)};
    } else if (type == "memory_kill") {
        message = MemoryKill{};
    } else if (type == "worker_exited") {
        message = WorkerExited{fields.optional_int("exit_status"), fields.optional_int("signal")};
    } else {
        return Error{"frame", 0, "a warden's frame of the unknown type '" + type.substr(0, 40) + "'", {}};
    }
    if (!fields.good()) {
        return fields.error();
    }
    return message;
}

}  // namespace cellblock::sandbox
