// The store's folders.
#include "sandbox/packages/store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "sandbox/api/unique_fd.h"
#include "sandbox/base/background.h"
#include "sandbox/base/digests.h"
#include "sandbox/base/resources.h"

namespace cellblock::sandbox {

namespace {

namespace fs = std::filesystem;

constexpr const char* kRemedy = "Set XDG_CACHE_HOME to a folder of your own that can be written";
constexpr const char* kBytes = ".bytes";
constexpr const char* kTrash = "/trash";
constexpr std::chrono::hours kEntryAge{24 * 30};  // since it was last used
constexpr std::chrono::minutes kLeftAge{10};      // of what no process holds: a restart may want it

// Others must neither look in nor write: what lies here is run.
Status check_private(const std::string& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) {
        return errno_error("look at " + path, kRemedy);
    }
    if (!S_ISDIR(info.st_mode) || info.st_uid != ::geteuid() || (info.st_mode & 077U) != 0) {
        return Error{"keep packages", 0, path + " must be a folder of yours that is closed to others",
                     "chmod 700 " + path};
    }
    return Ok{};
}

// A time that lies in the future, since the clock was set back, becomes now. A folder with such a time would
// be the youngest of all, and would displace what is in use, until the clock has passed that time again.
bool is_older(const fs::path& path, std::chrono::seconds age) {
    std::error_code failed;
    const auto changed = fs::last_write_time(path, failed);
    const auto now = fs::file_time_type::clock::now();
    if (!failed && changed > now) {
        fs::last_write_time(path, now, failed);
    }
    return !failed && now - changed > age;
}

std::vector<fs::path> folders_in(const std::string& folder) {
    std::vector<fs::path> found;
    std::error_code failed;
    for (fs::directory_iterator one(folder, failed), end; !failed && one != end; one.increment(failed)) {
        std::error_code gone;
        if (one->is_directory(gone)) {
            found.push_back(one->path());
        }
    }
    return found;
}

void empty_trash(const std::string& root) {
    run_in_background([trash = root + kTrash] {
        for (const auto& path : folders_in(trash)) {
            std::error_code ignored;
            fs::remove_all(path, ignored);
        }
    });
}

// A tree may have many thousand files, and the loop waits for none of their removals: the tree only leaves
// its name, and empty_trash() does the rest.
void discard(const std::string& root, const fs::path& path) {
    std::error_code failed;
    fs::rename(path, root + kTrash + "/" + random_hex(8), failed);
    if (failed) {
        fs::remove_all(path, failed);
    }
}

void discard_entry(const std::string& root, const fs::path& path) {
    std::error_code ignored;
    discard(root, path);
    fs::remove(path.string() + kBytes, ignored);
}

// With the session's lock held, so that no kernel begins to use the folder meanwhile.
void discard_if_left(const std::string& root, const fs::path& folder) {
    const UniqueFd lock(::open((folder / "lock").c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!lock.valid() || ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) {
        discard(root, folder);
    }
}

}  // namespace

Result<PackageStore> PackageStore::open() {
    const std::string home = cache_directory();
    if (home.empty()) {
        return Error{"keep packages", 0, "there is no home directory", kRemedy};
    }
    const std::string root = home + "/packages";
    std::error_code failed;
    fs::create_directories(root, failed);
    ::chmod(root.c_str(), 0700);
    CELLBLOCK_RETURN_IF_ERROR(check_private(root));
    for (const char* name : {"/entries", "/sessions", kTrash}) {
        if (::mkdir((root + name).c_str(), 0700) != 0 && errno != EEXIST) {
            return errno_error("make " + root + name, kRemedy);
        }
    }
    PackageStore store(root);
    store.sweep();
    return store;
}

void PackageStore::sweep() const {
    for (const auto& path : folders_in(root_ + "/entries")) {
        if (is_older(path, kEntryAge)) {
            discard_entry(root_, path);
        }
    }
    for (const auto& path : folders_in(root_ + "/sessions")) {
        if (is_older(path, kLeftAge)) {
            discard_if_left(root_, path);
        }
    }
    empty_trash(root_);
}

bool PackageStore::has(const std::string& key) const {
    std::error_code failed;
    const std::string path = entry(key);
    if (!fs::is_directory(path, failed)) {
        return false;
    }
    fs::last_write_time(path, fs::file_time_type::clock::now(), failed);  // it is in use
    return true;
}

std::uint64_t PackageStore::bytes_of(const std::string& key) const {
    std::uint64_t bytes = 0;
    std::ifstream(entry(key) + kBytes) >> bytes;
    return bytes;
}

Status PackageStore::publish(const std::string& folder, const std::string& key, std::uint64_t bytes) const {
    std::ofstream(entry(key) + kBytes) << bytes;
    if (::rename(folder.c_str(), entry(key).c_str()) == 0 || has(key)) {
        return Ok{};
    }
    return errno_error("move " + folder + " to its place");
}

void PackageStore::keep_within(std::uint64_t bytes) const {
    struct Entry {
        fs::file_time_type used;
        std::uint64_t bytes;
        fs::path path;
    };
    std::vector<Entry> entries;
    for (const auto& path : folders_in(root_ + "/entries")) {
        std::error_code gone;
        const auto used = fs::last_write_time(path, gone);
        if (!gone) {
            entries.push_back({used, bytes_of(path.filename().string()), path});
        }
    }
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.used > b.used; });
    std::uint64_t sum = 0;
    for (const auto& one : entries) {
        sum += one.bytes;
        if (sum > bytes) {
            discard_entry(root_, one.path);
        }
    }
    empty_trash(root_);
}

TemporaryFolder::~TemporaryFolder() {
    if (!path_.empty()) {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
}

TemporaryFolder& TemporaryFolder::operator=(TemporaryFolder&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
}

}  // namespace cellblock::sandbox
