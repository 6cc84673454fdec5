#include "kernel/e2b/filesystem.h"

#include <algorithm>
#include <cerrno>
#include <deque>
#include <optional>
#include <string_view>
#include <utility>

#include "kernel/e2b/connect.h"
#include "kernel/http/gzip.h"
#include "kernel/http/multipart.h"
#include "sandbox/base/digests.h"
#include "sandbox/base/json_text.h"
#include "sandbox/base/text.h"

namespace cellblock::kernel {

using namespace sandbox;
using nlohmann::json;

namespace {

constexpr JsonBounds kBounds{8, 1000};
constexpr std::size_t kPiece = 4U << 20;
constexpr int kDeepest = 32;

int status_of(int code) {
    switch (code) {
        case ENOENT:
            return 404;
        case EACCES:
        case EPERM:
        case EROFS:
            return 403;
        case EFBIG:
            return 413;
        case ENOSPC:
        case EDQUOT:
            return 507;
        case 0:
            return 503;
        default:
            return 400;
    }
}

void refuse(HttpReply& reply, const Error& error) {
    refuse(reply, status_of(error.code), error.text());
}

void refuse_rpc(HttpReply& reply, const Error& error) {
    refuse_call(reply, rpc_error(error.code, error.text()));
}

RpcError no_path() {
    std::string text = "the message has no path: ";
    text += kPathRule;
    return {"invalid_argument", std::move(text)};
}

// Empty: there is no such path.
std::string path_in(const json& message, const char* name = "path") {
    const auto found = message.find(name);
    return found != message.end() && found->is_string() && is_path(found->get_ref<const std::string&>())
               ? inside(found->get<std::string>())
               : std::string();
}

// --- what takes several requests

// A file as a reply: each piece is asked for once the last one is written.
struct Download : std::enable_shared_from_this<Download> {
    FileRequests& files;
    std::shared_ptr<HttpReply> reply;
    std::string path;
    std::uint64_t offset = 0;
    std::weak_ptr<const bool> life = files.life();
    std::shared_ptr<bool> is_read = std::make_shared<bool>(true);  // the client is there

    Download(FileRequests& of, std::shared_ptr<HttpReply> to, std::string from)
        : files(of), reply(std::move(to)), path(std::move(from)) {}

    void next() {
        files.ask(ReadFile{path, offset, kPiece},
                  [self = shared_from_this()](FileReply& piece) { self->take(piece); });
    }

    void take(FileReply& piece) {
        if (!*is_read) {
            return;
        }
        if (piece.error) {
            // Half a file can't be taken back: the connection ends without the reply's end.
            return offset == 0 ? refuse(*reply, *piece.error) : void();
        }
        const std::size_t size = piece.bytes.size();
        if (offset == 0) {
            if (size < kPiece) {
                return reply->send(200, "application/octet-stream", std::move(piece.bytes));
            }
            reply->begin(200, "application/octet-stream");
            reply->on_closed([is_read = is_read] { *is_read = false; });
        }
        offset += size;
        reply->write(std::move(piece.bytes));
        if (size < kPiece) {
            return reply->end();
        }
        reply->when_written([self = shared_from_this()] {
            // The box may have ended while the client read. Then the connection ends too, with `reply`.
            if (*self->is_read && !self->life.expired()) {
                self->next();
            }
        });
    }
};

// Files to be written, one after another.
struct Upload : std::enable_shared_from_this<Upload> {
    struct File {
        std::string path;
        std::string_view content;  // of `body`
        std::uint64_t size = 0;    // of what is written
    };

    FileRequests& files;
    std::shared_ptr<HttpReply> reply;
    std::string body;
    std::shared_ptr<const void> counted;  // HttpRequest::counted of the body
    std::optional<Gunzip> gunzip;         // inflates the only file's content
    std::deque<File> left;
    json written = json::array();
    std::string temporary;
    std::uint64_t offset = 0;
    std::weak_ptr<const bool> life = files.life();

    Upload(FileRequests& of, std::shared_ptr<HttpReply> to, HttpRequest& request)
        : files(of),
          reply(std::move(to)),
          body(std::move(request.body)),
          counted(std::move(request.counted)) {}

    void add(const std::string& path, std::string_view content) {
        left.push_back({inside(path), content, content.size()});
    }

    // Writes the only file's content inflated. The body is inflated twice, as what is broken or too long is
    // to be refused before the sandbox has any of it, and none of it is held. Each step is a turn of the
    // loop.
    void inflate(std::uint64_t most) {
        gunzip.emplace(body);
        left.front().size = 0;
        measure(most);
    }

    void measure(std::uint64_t most) {
        const auto piece = gunzip->next(kPiece);
        if (!piece) {
            return refuse(*reply, 400, piece.error().text());
        }
        std::uint64_t& size = left.front().size;
        size += piece->size();
        if (size > most) {
            return refuse(*reply, 413, "the file is too long: at most " + std::to_string(most) + " bytes");
        }
        if (gunzip->is_done()) {
            gunzip.emplace(body);
            return next();
        }
        reply->when_written([self = shared_from_this(), most] {
            // The box may have ended meanwhile. Then the connection ends too, with `reply`.
            if (!self->life.expired()) {
                self->measure(most);
            }
        });
    }

    // The bytes behind `offset`.
    Result<std::string> piece_of(const File& file) {
        return gunzip ? gunzip->next(kPiece) : std::string(file.content.substr(offset, kMostFileBytes));
    }

    void next() {
        if (left.empty()) {
            return reply->send(200, "application/json", dumped(written));
        }
        const File& file = left.front();
        auto piece = piece_of(file);
        if (!piece) {
            return refuse(*reply, 400, piece.error().text());
        }
        const std::uint64_t size = piece->size();
        if (size == file.size) {
            return files.ask(WriteFile{file.path, std::move(*piece)},
                             [self = shared_from_this()](FileReply& answer) { self->is_written(answer); });
        }
        if (temporary.empty()) {
            temporary = file.path + ".part-" + random_hex(4);
        }
        files.ask(
            WriteFile{temporary, std::move(*piece), offset},
            [self = shared_from_this(), size](FileReply& answer) { self->piece_is_written(answer, size); });
    }

    void piece_is_written(const FileReply& answer, std::uint64_t size) {
        if (answer.error) {
            return fail(*answer.error);
        }
        offset += size;
        if (offset < left.front().size) {
            return next();
        }
        files.ask(MoveFile{temporary, left.front().path},
                  [self = shared_from_this()](FileReply& moved) { self->is_written(moved); });
    }

    // The part of a file that was written is gone when its client hears of the error.
    void fail(const Error& error) {
        if (temporary.empty() || life.expired()) {  // of a box that has ended nothing is left
            return refuse(*reply, error);
        }
        files.ask(RemoveFile{temporary},
                  [self = shared_from_this(), error](FileReply&) { refuse(*self->reply, error); });
    }

    void is_written(const FileReply& answer) {
        if (answer.error) {
            return fail(*answer.error);
        }
        const std::string path = outside(left.front().path);
        written.push_back({{"name", last_part(path)}, {"type", "file"}, {"path", path}});
        left.pop_front();
        temporary.clear();
        offset = 0;
        next();
    }
};

}  // namespace

void Filesystem::read(const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
    const auto path = request.query.find("path");
    if (path == request.query.end() || !is_path(path->second)) {
        return refuse(*reply, 400, std::string("the address has no ?path=: ") + kPathRule);
    }
    std::make_shared<Download>(requests_, reply, inside(path->second))->next();
}

void Filesystem::write(HttpRequest request, const std::shared_ptr<HttpReply>& reply,
                       std::uint64_t most_inflated) {
    const std::string type(request.header("content-type"));
    const auto path = request.query.find("path");
    const bool has_path = path != request.query.end() && !path->second.empty();
    if (has_path && !is_path(path->second)) {
        return refuse(*reply, 400, kPathRule);
    }
    const std::string encoding(request.header("content-encoding"));
    const bool is_gzip = encoding == "gzip";
    if (!is_gzip && !encoding.empty() && encoding != "identity") {
        return refuse(*reply, 415, "a body is compressed by gzip, or not at all");
    }
    auto upload = std::make_shared<Upload>(requests_, reply, request);
    if (type.starts_with("application/octet-stream")) {
        if (!has_path) {
            return refuse(*reply, 400, std::string("the address has no ?path=: ") + kPathRule);
        }
        upload->add(path->second, upload->body);
        return is_gzip ? upload->inflate(most_inflated) : upload->next();
    }
    if (!type.starts_with("multipart/form-data") || is_gzip) {
        return refuse(*reply, 415,
                      "a file comes as multipart/form-data or application/octet-stream, and only the latter "
                      "may be compressed");
    }
    auto parts = read_multipart(type, upload->body);
    if (!parts) {
        return refuse(*reply, 400, parts.error().text());
    }
    for (const auto& part : *parts) {
        if (part.name != "file" || (!has_path && !part.file_name)) {
            continue;
        }
        const std::string& to = has_path ? path->second : *part.file_name;
        if (!is_path(to)) {
            return refuse(*reply, 400, std::string("a part's file has no name: ") + kPathRule);
        }
        upload->add(to, part.content);
    }
    if (upload->left.empty() || (has_path && upload->left.size() > 1)) {
        return refuse(*reply, 400,
                      "the form has no part \"file\" with a file's name, or several for one ?path=");
    }
    upload->next();
}

void Filesystem::call(const std::string& method, const HttpRequest& request,
                      const std::shared_ptr<HttpReply>& reply) {
    const bool is_stream = method == "WatchDir";
    const auto text =
        is_stream ? first_envelope(request.body) : std::optional<std::string_view>(request.body);
    auto message = parse_json_object(text.value_or(""), kBounds);
    if (!message) {
        const RpcError error{"invalid_argument", "the request's message: " + message.error().text()};
        return is_stream ? refuse_stream(*reply, error) : refuse_call(*reply, error);
    }
    using Call = void (Filesystem::*)(const json&, const ReplyPtr&);
    static constexpr std::pair<std::string_view, Call> kCalls[] = {
        {"ListDir", &Filesystem::list}, {"Stat", &Filesystem::stat},     {"MakeDir", &Filesystem::make},
        {"Move", &Filesystem::move},    {"Remove", &Filesystem::remove},
    };
    for (const auto& [name, of] : kCalls) {
        if (name == method) {
            return (this->*of)(*message, reply);
        }
    }
    if (is_stream) {
        return watchers_.follow(*message, reply);
    }
    if (method == "CreateWatcher") {
        return watchers_.create(*message, reply);
    }
    if (method == "GetWatcherEvents") {
        return watchers_.get_events(*message, reply);
    }
    if (method == "RemoveWatcher") {
        return watchers_.remove(*message, *reply);
    }
    refuse_call(*reply, {"unimplemented", "filesystem.Filesystem has no such call here"});
}

void Filesystem::list(const json& message, const ReplyPtr& reply) {
    const std::string path = path_in(message);
    const json depth = message.value("depth", json(1));
    if (path.empty() || !depth.is_number_integer() || depth < 0 || depth > kDeepest) {
        return refuse_call(*reply,
                           {"invalid_argument",
                            std::string("the message has no depth of 1 to 32, or no path: ") + kPathRule});
    }
    requests_.list(path, std::max(1, depth.get<int>()),
                   [reply](const std::optional<Error>& error, const std::vector<FoundFile>& found) {
                       if (error) {
                           return refuse_rpc(*reply, *error);
                       }
                       json entries = json::array();
                       for (const auto& file : found) {
                           entries.push_back(entry_json(file));
                       }
                       answer_call(*reply, {{"entries", std::move(entries)}});
                   });
}

void Filesystem::answer_with(const std::string& path, const ReplyPtr& reply) {
    requests_.look(path, [reply](const std::optional<Error>& error, const std::vector<FoundFile>& found) {
        error ? refuse_rpc(*reply, *error) : answer_call(*reply, {{"entry", entry_json(found.front())}});
    });
}

void Filesystem::stat(const json& message, const ReplyPtr& reply) {
    const std::string path = path_in(message);
    path.empty() ? refuse_call(*reply, no_path()) : answer_with(path, reply);
}

void Filesystem::make(const json& message, const ReplyPtr& reply) {
    const std::string path = path_in(message);
    if (path.empty()) {
        return refuse_call(*reply, no_path());
    }
    requests_.look(path, [this, reply, path](const std::optional<Error>& error, const auto&) {
        if (!error) {
            return refuse_call(*reply, {"already_exists", "there is something already: " + printable(path)});
        }
        requests_.ask(MakeFolder{path}, [reply, path](FileReply& made) {
            made.error
                ? refuse_rpc(*reply, *made.error)
                : answer_call(*reply, {{"entry", entry_json({path, FileKind::folder, 0, made.modified})}});
        });
    });
}

void Filesystem::move(const json& message, const ReplyPtr& reply) {
    const std::string from = path_in(message, "source");
    const std::string to = path_in(message, "destination");
    if (from.empty() || to.empty()) {
        return refuse_call(*reply, {"invalid_argument",
                                    std::string("the message has no source and destination: ") + kPathRule});
    }
    requests_.ask(MoveFile{from, to}, [this, reply, to](FileReply& moved) {
        moved.error ? refuse_rpc(*reply, *moved.error) : answer_with(to, reply);
    });
}

void Filesystem::remove(const json& message, const ReplyPtr& reply) {
    const std::string path = path_in(message);
    if (path.empty()) {
        return refuse_call(*reply, no_path());
    }
    requests_.ask(RemoveFile{path, true}, [reply](FileReply& removed) {
        removed.error&& removed.error->code != ENOENT ? refuse_rpc(*reply, *removed.error)
                                                      : answer_call(*reply, json::object());
    });
}

}  // namespace cellblock::kernel
