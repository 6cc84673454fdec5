// Which files of the host were kept from cells, by path and digest, over restarts.
//
// Purpose: a cell may overwrite what cells have made, and nothing else. A file counts as a cell's as long as
// it has the bytes that were kept under its path: who changes it makes it the user's own. The store is
// kept.json in state_directory(), for this user alone; all sessions share it. At most 4,096 files, the
// latest. Threads: one for each object; processes take turns by a lock. Failure: what can't be read or
// written is forgotten, so that the next file gets another name.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace cellblock::sandbox::files {

class KeptDigests {
public:
    // `path`: the store; empty: nothing outlives this object.
    explicit KeptDigests(std::string path);

    // The SHA-256 of what was last kept under that absolute path; nullopt: nothing was.
    [[nodiscard]] std::optional<std::string> find(const std::string& file) const;
    void note(const std::string& file, const std::string& digest);
    // Takes in what other sessions have kept since, and writes what this one has.
    void save();

private:
    struct Kept {
        std::string digest;
        std::int64_t time = 0;  // seconds since 1970
    };

    void load();
    void drop_oldest();
    void write() const;

    std::string path_;
    std::int64_t begin_;  // seconds since 1970
    std::map<std::string, Kept> kept_;
    std::map<std::string, Kept> noted_;  // since the latest save()
};

}  // namespace cellblock::sandbox::files
