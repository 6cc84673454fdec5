// Writing what a builder sends.
#include "sandbox/packages/tree_writer.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "sandbox/base/text.h"

namespace cellblock::sandbox {

namespace {

constexpr std::size_t kMostPath = 512;
constexpr int kMostParts = 32;

Error refused(const std::string& what) {
    return Error{"take what was built", 0, what, {}};
}

// Everyone may look in; the folder above is closed to others.
Status make_folders(const std::string& folder, const std::string& path) {
    for (auto slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
        const std::string one = folder + "/" + path.substr(0, slash);
        if (::mkdir(one.c_str(), 0755) == 0) {
            ::chmod(one.c_str(), 0755);
        } else if (errno != EEXIST) {
            return errno_error("make the folder " + one);
        }
    }
    return Ok{};
}

}  // namespace

bool is_plain_path(std::string_view path) {
    if (path.empty() || path.size() > kMostPath || !is_utf8(path) ||
        std::any_of(path.begin(), path.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; })) {
        return false;
    }
    for (int parts = 0; parts < kMostParts; ++parts) {
        const auto slash = path.find('/');
        const auto part = path.substr(0, slash);
        if (part.empty() || part == "." || part == "..") {
            return false;
        }
        if (slash == std::string_view::npos) {
            return true;
        }
        path.remove_prefix(slash + 1);
    }
    return false;
}

Status TreeWriter::begin_file(const std::string& path, std::uint64_t size, bool executable) {
    if (missing_ != 0) {
        return refused("a file came to no end");
    }
    if (!is_plain_path(path)) {
        return refused("a file has a name that isn't allowed");
    }
    if (left_.files == 0) {
        return refused("there are too many files");
    }
    if (size > left_.bytes) {
        return refused("there is more than the policy allows (key packages.size)");
    }
    if (auto made = make_folders(folder_, path); !made) {
        return made;
    }
    const std::string whole = folder_ + "/" + path;
    file_.reset(::open(whole.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file_.valid() || ::fchmod(file_.get(), executable ? 0755 : 0644) != 0) {
        return errno_error("write " + whole);
    }
    path_ = path;
    missing_ = size;
    left_.bytes -= size;
    --left_.files;
    digest_.emplace();
    return Ok{};
}

Status TreeWriter::add(std::string_view bytes) {
    if (bytes.size() > missing_) {
        return refused("a file is longer than it was said to be");
    }
    digest_->add(bytes);
    missing_ -= bytes.size();
    while (!bytes.empty()) {
        const ssize_t written = ::write(file_.get(), bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return errno_error("write " + path_, "Is the disk full?");
        }
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    if (missing_ == 0) {
        file_.reset();
    }
    return Ok{};
}

}  // namespace cellblock::sandbox
