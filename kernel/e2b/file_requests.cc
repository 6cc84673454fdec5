#include "kernel/e2b/file_requests.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <deque>
#include <memory>
#include <string_view>
#include <utility>

#include "sandbox/base/text.h"

namespace cellblock::kernel {

using namespace sandbox;
using nlohmann::json;

namespace {

constexpr std::uint64_t kNanoseconds = 1'000'000'000;

std::string below(const std::string& folder, const std::string& name) {
    return folder.ends_with('/') ? folder + name : folder + "/" + name;
}

// The sandbox's own word, so it may be any number, but no clock's beyond the year 2262.
std::string date_of(std::uint64_t nanoseconds) {
    constexpr std::uint64_t kMost = 7'258'118'400;  // in the year 2200
    const auto seconds = nanoseconds / kNanoseconds;
    return utc_text(std::chrono::system_clock::time_point(std::chrono::seconds(std::min(seconds, kMost))), 3);
}

// The pages of a folder and of those below it.
struct Walk : std::enable_shared_from_this<Walk> {
    struct Folder {
        std::string path;
        int depth;
    };

    FileRequests& files;
    int deepest;
    FileRequests::TakeFound take;
    std::deque<Folder> left;
    std::vector<FoundFile> found;

    Walk(FileRequests& of, int depth, FileRequests::TakeFound to)
        : files(of), deepest(depth), take(std::move(to)) {}

    void next(const std::string& after = {}) {
        if (left.empty()) {
            return take(std::nullopt, std::move(found));
        }
        files.ask(ListFolder{left.front().path, after},
                  [self = shared_from_this()](FileReply& page) { self->have(page); });
    }

    void have(const FileReply& page) {
        const Folder folder = left.front();
        if (page.error && folder.depth == 1) {
            return take(page.error, {});
        }
        for (const auto& entry : page.entries) {
            const std::string path = below(folder.path, entry.name);
            found.push_back({path, entry.kind, entry.size_bytes, entry.modified});
            if (entry.kind == FileKind::folder && folder.depth < deepest) {
                left.push_back({path, folder.depth + 1});
            }
        }
        if (found.size() > FileRequests::kMostFound) {
            return take(Error{{}, E2BIG, "there are more than 10,000 entries; ask for fewer", {}}, {});
        }
        if (page.more && !page.entries.empty()) {
            return next(page.entries.back().name);
        }
        left.pop_front();
        next();
    }
};

}  // namespace

bool is_path(const std::string& path) {
    constexpr std::size_t kLongest = 4095;
    return !path.empty() && path.size() <= kLongest && path.find('\0') == std::string::npos && is_utf8(path);
}

std::string inside(const std::string& path) {
    if (path == kHome) {
        return ".";
    }
    if (path.starts_with(std::string(kHome) + "/")) {
        const std::string rest = path.substr(std::string_view(kHome).size() + 1);
        return rest.empty() ? "." : "./" + rest;
    }
    return path;
}

std::string outside(const std::string& path) {
    std::string_view rest = path;
    if (rest.starts_with('/')) {
        return path;
    }
    while (rest.starts_with("./")) {
        rest.remove_prefix(2);
    }
    return rest.empty() || rest == "." ? std::string(kHome) : std::string(kHome) + "/" + std::string(rest);
}

std::string last_part(std::string_view path) {
    while (path.size() > 1 && path.ends_with('/')) {
        path.remove_suffix(1);
    }
    return std::string(path.substr(path.rfind('/') + 1));
}

json entry_json(const FoundFile& file) {
    const std::string path = outside(file.path);
    const bool is_folder = file.kind == FileKind::folder;
    return {{"name", last_part(path)},
            {"type", is_folder                     ? "FILE_TYPE_DIRECTORY"
                     : file.kind == FileKind::link ? "FILE_TYPE_SYMLINK"
                                                   : "FILE_TYPE_FILE"},
            {"path", path},
            {"size", std::to_string(file.size_bytes)},
            {"mode", is_folder ? 0755 : 0644},
            {"permissions", is_folder ? "drwxr-xr-x" : "-rw-r--r--"},
            {"owner", "user"},
            {"group", "user"},
            {"modifiedTime", date_of(file.modified)}};
}

void FileRequests::ask(FileRequest request, Take take) {
    const FileId id = port_.session.file(std::move(request));
    waiting_.emplace(id, std::move(take));
    port_.settle();
}

void FileRequests::look(const std::string& path, TakeFound take) {
    ask(ReadFile{path, 0, 1}, [path, take = std::move(take)](FileReply& answer) {
        if (answer.error && answer.error->code == EISDIR) {
            return take(std::nullopt, {{path, FileKind::folder, 0, answer.modified}});
        }
        if (answer.error) {
            return take(answer.error, {});
        }
        take(std::nullopt, {{path, FileKind::file, answer.size_bytes, answer.modified}});
    });
}

void FileRequests::list(const std::string& folder, int depth, TakeFound take) {
    auto walk = std::make_shared<Walk>(*this, depth, std::move(take));
    walk->left.push_back({folder, 1});
    walk->next();
}

void FileRequests::on(Event& event) {
    if (auto* answer = std::get_if<FileReply>(&event)) {
        if (auto known = waiting_.extract(answer->request)) {
            known.mapped()(*answer);
        }
    }
}

void FileRequests::end(const std::string& reason) {
    life_.reset();
    for (auto& [id, take] : std::exchange(waiting_, {})) {
        FileReply answer{id};
        answer.error = Error{{}, 0, reason, {}};
        take(answer);
    }
}

}  // namespace cellblock::kernel
