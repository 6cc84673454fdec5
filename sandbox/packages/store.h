// Installed packages on the host's disk.
//
// Purpose: in ~/.cache/cellblock/packages, for this user alone:
//   entries/<key>    an unpacked wheel (beside it <key>.bytes: its size); the key has the wheel's SHA-256, as
//   the host
//                    computed it, and tells for which Python it was unpacked
//   sessions/<name>  what one session has installed: `seen` is what its sandbox sees at /packages (hard links
//   into entries,
//                    so that an entry takes its room once), `lock` says that the session is in use; and
//                    folders that are being written (incoming-...)
//   trash/<name>     what was removed and is deleted in the background
// An entry is written whole and then renamed, so it is complete or not there.
// Ownership: an incoming folder is the caller's (TemporaryFolder); a session's is PackageFolder's. What a
// crash left is removed when a store is opened. Threads: one; several processes may use one store. Failure:
// an Error with the path.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "sandbox/api/result.h"

namespace cellblock::sandbox {

class PackageStore {
public:
    // Makes the folders; removes what is old or was left.
    static Result<PackageStore> open();

    [[nodiscard]] bool has(const std::string& key) const;
    [[nodiscard]] std::uint64_t bytes_of(const std::string& key) const;
    [[nodiscard]] std::string entry(const std::string& key) const { return root_ + "/entries/" + key; }
    [[nodiscard]] const std::string& root() const { return root_; }

    // Moves a whole tree of that many bytes to its key. Where another process was first, its tree stays.
    [[nodiscard]] Status publish(const std::string& folder, const std::string& key,
                                 std::uint64_t bytes) const;
    // Removes the entries that were unused for longest, until no more than that is left. What sessions have
    // installed stays.
    void keep_within(std::uint64_t bytes) const;

private:
    explicit PackageStore(std::string root) : root_(std::move(root)) {}
    void sweep() const;

    std::string root_;
};

// A folder that is removed with this object.
class TemporaryFolder {
public:
    TemporaryFolder() = default;
    explicit TemporaryFolder(std::string path) : path_(std::move(path)) {}
    ~TemporaryFolder();
    TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    TemporaryFolder& operator=(TemporaryFolder&& other) noexcept;
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }
    void release() { path_.clear(); }

private:
    std::string path_;
};

}  // namespace cellblock::sandbox
