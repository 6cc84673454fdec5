// Requests for the files in a sandbox, and their answers: Session::file().
//
// A path is the sandbox's own: relative to the working directory, or absolute. It may lead to whatever cells
// can reach, and nowhere else. Folders that are missing on the way to what is written, made or moved are
// made.
//
//     session.file(WriteFile{"in/data.csv", bytes});
//     const FileReply reply = session.file_blocking(ReadFile{"out.png"});
//     if (reply.error) {
//         std::cerr << reply.error->text() << "\n";
//     } else {
//         ... reply.bytes, of reply.size bytes that the whole file has ...
//     }
//
// An answer is the sandbox's own word: a cell chooses the bytes, sizes and times, and a name is valid UTF-8
// without '/' that may have control characters. Plain values without shared state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "sandbox/api/result.h"

namespace cellblock::sandbox {

using FileId = std::uint64_t;  // of a request for files, rising within a Session

// The most bytes of one request. Larger files take several, by their offsets.
constexpr std::uint64_t kMostFileBytes = 16ULL << 20;

struct ReadFile {
    std::string path;
    std::uint64_t offset = 0;
    std::uint64_t size = kMostFileBytes;  // at most as many; fewer are the file's end, or kMostFileBytes
};
// Without an offset the whole file: it is there as a whole or not at all, in place of one that was there.
// With one: these bytes of it, of a file that is made if it isn't there.
struct WriteFile {
    std::string path;
    std::string bytes;  // at most kMostFileBytes
    std::optional<std::uint64_t> offset = {};
};
struct ListFolder {
    std::string path = ".";
    std::string after = {};  // begin behind this name; empty: with the first
};
struct MakeFolder {
    std::string path;  // there already: all is well
};
// A file that is there already goes.
struct MoveFile {
    std::string path;
    std::string to;
};
// A link itself, not what it leads to.
struct RemoveFile {
    std::string path;
    bool with_content = false;  // of a folder
};
using FileRequest = std::variant<ReadFile, WriteFile, ListFolder, MakeFolder, MoveFile, RemoveFile>;

enum class FileKind { file, folder, link, other };

struct FileEntry {
    std::string name;
    FileKind kind = FileKind::other;
    std::uint64_t size_bytes = 0;
    std::uint64_t modified = 0;  // nanoseconds since 1970
};

// The answer to one request. Members that the request isn't about are empty.
struct FileReply {
    FileId request = 0;
    std::optional<Error> error = {};      // its code is the sandbox's errno, or 0
    std::string bytes = {};               // of ReadFile
    std::uint64_t size_bytes = 0;         // of ReadFile and WriteFile: the whole file's
    std::uint64_t modified = 0;           // the same: nanoseconds since 1970
    std::vector<FileEntry> entries = {};  // of ListFolder: sorted by name, at most 500
    bool more = false;                    // of ListFolder: there are more behind the last
};

}  // namespace cellblock::sandbox
