// The folder of the host that kept files come to.
//
// Purpose: puts a file where it does no harm. A file that no cell made is never touched, whatever happens to
// it meanwhile: the new one then gets a free name ("data (2).csv"). Each file appears whole, under its name,
// or not at all. Links in the folder are not followed. Ownership: of the folder's descriptor. Threads: one.
// Failure: an Error, and nothing is left of the file.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"
#include "sandbox/files/kept_digests.h"

namespace cellblock::sandbox::files {

struct PutFile {
    std::string path;  // below the folder
    std::uint64_t size_bytes = 0;
    std::string sha256;
    bool is_users = false;  // a file that no cell made has the same bytes already, and is let be
};

// Asked again and again while a file is copied; true: leave it. The Error then has the code ECANCELED.
using Stop = std::function<bool()>;

class HostFolder {
public:
    // `path`: absolute. The last folder of it is made where it is missing.
    static Result<HostFolder> open(const std::string& path);

    // Copies the first `most` bytes of `from`. `path`: plain names, parted by slashes; folders are made.
    // `digests` tells which files cells have made, and is told of the new one.
    Result<PutFile> put(const std::string& path, int from, std::uint64_t most, const Stop& stop,
                        KeptDigests& digests);

    [[nodiscard]] const std::string& path() const { return path_; }
    // Whether the folder of that path is still the one that was opened.
    [[nodiscard]] bool is_there() const;

private:
    HostFolder(std::string path, UniqueFd folder) : path_(std::move(path)), folder_(std::move(folder)) {}

    std::string path_;
    UniqueFd folder_;
    std::map<std::string, std::string> names_;  // of the files that this object has put, by their paths
    std::map<std::string, std::string> paths_;  // the reverse: paths, by where the files lie
};

}  // namespace cellblock::sandbox::files
