#include "kernel/server/file_comms.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace cellblock::kernel {

using namespace sandbox;
using nlohmann::json;

namespace {

constexpr double kNanoseconds = 1e9;

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

FileRequest read_request(CommMembers& members, const std::string& deed, const Frames& buffers) {
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

FileId FileComms::begin(const Message& request) {
    publisher_.status("busy", request.header_text);
    const FileId asked = target_.open_or_close(request) ? 0 : ask(request);
    if (asked == 0) {
        publisher_.status("idle", request.header_text);
    }
    return asked;
}

FileId FileComms::ask(const Message& request) {
    Pending pending;
    pending.comm = comm_of(request);
    pending.parent = request.header_text;
    const json data = request.content.value("data", json());
    if (!data.is_object()) {
        answer(pending, comm_error("ValueError", "'data' must be an object"));
        return 0;
    }
    CommMembers members(data);
    pending.id = members.id();
    const std::string deed = members.text("do", "");
    FileRequest what = read_request(members, deed, request.buffers);
    if (deed != "write" && !request.buffers.empty()) {
        members.fail("only 'write' takes a buffer");
    }
    if (const std::string fault = members.fault(); !fault.empty()) {
        answer(pending, comm_error("ValueError", fault));
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
        data = comm_error(error_name(reply.error->code), reply.error->text());
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
    target_.send(asked.comm, asked.parent, data, std::move(buffers));
}

}  // namespace cellblock::kernel
