#include "kernel/server/file_comms.h"

#include <algorithm>
#include <cerrno>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <utility>

#include "kernel/jupyter/message_text.h"

namespace cellblock::kernel {

using namespace sandbox;
using nlohmann::json;

namespace {

constexpr std::size_t kMostId = 200;  // of a request's own id, as JSON text
constexpr double kNanoseconds = 1e9;

std::string text_in(const json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// Python's classes of OSError, by the sandbox's errno.
const char* error_name(int code) {
    switch (code) {
        case 0:
            return "RuntimeError";
        case ENOENT:
            return "FileNotFoundError";
        case EEXIST:
            return "FileExistsError";
        case EISDIR:
            return "IsADirectoryError";
        case ENOTDIR:
            return "NotADirectoryError";
        case EACCES:
        case EPERM:
            return "PermissionError";
        default:
            return "OSError";
    }
}

const char* kind_name(FileKind kind) {
    switch (kind) {
        case FileKind::file:
            return "file";
        case FileKind::folder:
            return "folder";
        case FileKind::link:
            return "link";
        case FileKind::other:
            break;
    }
    return "other";
}

json error_data(const std::string& ename, const std::string& evalue) {
    return {{"status", "error"}, {"ename", ename}, {"evalue", evalue}};
}

// Takes the members of a request one by one, and finds out at the end whether there were others.
class Members {
public:
    explicit Members(const json& data) : data_(data) {}

    std::string text(const char* name, const std::optional<std::string>& otherwise = std::nullopt) {
        const json* const value = find(name);
        if (value == nullptr && otherwise) {
            return *otherwise;
        }
        if (value == nullptr || !value->is_string()) {
            fail(std::string(name) + " must be a text");
            return {};
        }
        return value->get<std::string>();
    }

    std::optional<std::uint64_t> number(const char* name) {
        const json* const value = find(name);
        if (value == nullptr) {
            return std::nullopt;
        }
        if (!value->is_number_unsigned() || value->get<std::uint64_t>() > kMostNumber) {
            fail(std::string(name) + " must be a whole number of bytes");
            return 0;
        }
        return value->get<std::uint64_t>();
    }

    bool flag(const char* name) {
        const json* const value = find(name);
        if (value != nullptr && !value->is_boolean()) {
            fail(std::string(name) + " must be true or false");
        }
        return value != nullptr && value->is_boolean() && value->get<bool>();
    }

    bool has(const char* name) const { return data_.contains(name); }

    void fail(const std::string& fault) { fault_ = fault_.empty() ? fault : fault_; }

    // Empty: all is well.
    std::string fault() {
        for (const auto& [name, value] : data_.items()) {
            if (std::find(known_.begin(), known_.end(), name) == known_.end()) {
                fail("there is no member '" + name.substr(0, 40) + "' for this 'do'");
            }
        }
        return fault_;
    }

private:
    static constexpr std::uint64_t kMostNumber = 1ULL << 62;

    const json* find(const char* name) {
        known_.emplace_back(name);
        const auto found = data_.find(name);
        return found != data_.end() ? &*found : nullptr;
    }

    const json& data_;
    std::vector<std::string_view> known_{"id", "do"};
    std::string fault_;
};

FileRequest read_request(Members& members, const std::string& deed, const Frames& buffers) {
    if (deed == "read") {
        ReadFile read{members.text("path")};
        read.offset = members.number("offset").value_or(0);
        read.size = std::min(members.number("size").value_or(kMostFileBytes), kMostFileBytes);
        return read;
    }
    if (deed == "write") {
        WriteFile write{members.text("path"), {}, members.number("offset")};
        if (members.has("text") == !buffers.empty() || buffers.size() > 1) {
            members.fail("what is to be written comes as one buffer, or as 'text'");
        }
        write.bytes = members.has("text") || buffers.empty() ? members.text("text", "") : buffers.front();
        return write;
    }
    if (deed == "list") {
        return ListFolder{members.text("path", "."), members.text("after", "")};
    }
    if (deed == "make") {
        return MakeFolder{members.text("path")};
    }
    if (deed == "move") {
        return MoveFile{members.text("path"), members.text("to")};
    }
    if (deed == "remove") {
        return RemoveFile{members.text("path"), members.flag("with_content")};
    }
    members.fail("'do' must be read, write, list, make, move or remove");
    return ListFolder{};
}

}  // namespace

bool FileComms::is_for(const Message& request) const {
    if (request.type() == "comm_open") {
        return text_in(request.content, "target_name") == kTarget;
    }
    return (request.type() == "comm_msg" || request.type() == "comm_close") &&
           is_open(text_in(request.content, "comm_id"));
}

FileId FileComms::begin(const Message& request) {
    publisher_.status("busy", request.header_text);
    const std::string comm = text_in(request.content, "comm_id");
    FileId asked = 0;
    if (request.type() == "comm_msg") {
        asked = ask(request);
    } else if (request.type() == "comm_close") {
        open_.erase(comm);
    } else if (!comm.empty() && comm.size() <= kMostId && open_.size() < kMostOpen) {
        open_.insert(comm);
    } else {  // as Jupyter does where a comm can't be opened
        publisher_.publish("comm_close", request.header_text,
                           ObjectText().text("comm_id", comm).raw("data", "{}").finish());
    }
    if (asked == 0) {
        publisher_.status("idle", request.header_text);
    }
    return asked;
}

FileId FileComms::ask(const Message& request) {
    Pending pending;
    pending.comm = text_in(request.content, "comm_id");
    pending.parent = request.header_text;
    const json data = request.content.value("data", json());
    if (!data.is_object()) {
        answer(pending, error_data("ValueError", "'data' must be an object"));
        return 0;
    }
    Members members(data);
    std::string own_id = data.value("id", json()).dump(-1, ' ', true, json::error_handler_t::replace);
    if (own_id.size() <= kMostId) {
        pending.id = std::move(own_id);
    } else {
        members.fail("'id' is too long");
    }
    const std::string deed = text_in(data, "do");
    FileRequest what = read_request(members, deed, request.buffers);
    if (deed != "write" && !request.buffers.empty()) {
        members.fail("only 'write' takes a buffer");
    }
    if (const std::string fault = members.fault(); !fault.empty()) {
        answer(pending, error_data("ValueError", fault));
        return 0;
    }
    pending.has_bytes = deed == "read";
    pending.has_facts = deed == "read" || deed == "write";
    pending.has_entries = deed == "list";
    const FileId id = session_.file(std::move(what));
    pending_.emplace(id, std::move(pending));
    return id;
}

void FileComms::on(const FileReply& reply) {
    const auto found = pending_.find(reply.request);
    if (found == pending_.end()) {
        return;
    }
    const Pending asked = std::move(found->second);
    pending_.erase(found);
    Frames buffers;
    json data{{"status", "ok"}};
    if (reply.error) {
        data = error_data(error_name(reply.error->code), reply.error->text());
    } else if (asked.has_facts) {
        data["size"] = reply.size_bytes;
        data["modified"] = static_cast<double>(reply.modified) / kNanoseconds;
    } else if (asked.has_entries) {
        data["entries"] = json::array();
        for (const auto& entry : reply.entries) {
            data["entries"].push_back({{"name", entry.name},
                                       {"type", kind_name(entry.kind)},
                                       {"size", entry.size_bytes},
                                       {"modified", static_cast<double>(entry.modified) / kNanoseconds}});
        }
        data["more"] = reply.more;
    }
    if (!reply.error && asked.has_bytes) {
        buffers.push_back(reply.bytes);
    }
    answer(asked, std::move(data), std::move(buffers));
    publisher_.status("idle", asked.parent);
}

void FileComms::answer(const Pending& asked, json data, Frames buffers) {
    data["id"] = json::parse(asked.id);
    publisher_.publish("comm_msg", asked.parent,
                       ObjectText()
                           .text("comm_id", asked.comm)
                           .raw("data", data.dump(-1, ' ', false, json::error_handler_t::replace))
                           .finish(),
                       "{}", std::move(buffers));
}

std::string FileComms::with_open_comms(std::string content) const {
    json reply = open_.empty() ? json() : json::parse(content, nullptr, /*allow_exceptions=*/false);
    if (!reply.is_object() || !reply["comms"].is_object()) {
        return content;
    }
    for (const auto& comm : open_) {
        reply["comms"][comm] = {{"target_name", kTarget}};
    }
    return reply.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace cellblock::kernel
