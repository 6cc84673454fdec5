// Files that come out of a builder, written below one folder.
//
// Purpose: a builder tells paths, sizes and bytes, never more: links, devices
// and other people's files can't be said. Paths are checked, counts and sizes
// bounded, modes are 0644 or 0755.
// Ownership: the folder is the caller's, empty, and nobody else writes there.
// Threads: one. Failure: an Error; the caller then removes the folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sandbox/api/result.h"
#include "sandbox/api/unique_fd.h"
#include "sandbox/base/digests.h"

namespace cellblock::sandbox {

// Is it a relative path of plain parts, which stays below its start?
bool is_plain_path(std::string_view path);

struct TreeBounds {
    std::uint64_t bytes = 0;
    std::uint32_t files = 50'000;
};

class TreeWriter {
public:
    TreeWriter(std::string folder, TreeBounds bounds) : folder_(std::move(folder)), left_(bounds) {}

    Status begin_file(const std::string& path, std::uint64_t size, bool executable);
    Status add(std::string_view bytes);

    // True while no file is half written.
    [[nodiscard]] bool complete() const { return missing_ == 0; }
    // Of the file that was written last.
    [[nodiscard]] const std::string& last_path() const { return path_; }
    std::string last_digest() { return digest_->finish(); }

private:
    std::string folder_;
    TreeBounds left_;
    std::string path_;
    UniqueFd file_;
    std::uint64_t missing_ = 0;  // bytes of the present file
    std::optional<Sha256> digest_;
};

}  // namespace cellblock::sandbox
