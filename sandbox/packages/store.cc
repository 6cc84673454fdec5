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

#include "sandbox/base/unique_fd.h"

namespace cellblock::sandbox {

namespace {

namespace fs = std::filesystem;

constexpr const char* kRemedy = "Set XDG_CACHE_HOME to a folder of your own that can be written";
constexpr const char* kBytes = ".bytes";
constexpr std::chrono::hours kEntryAge{24 * 30};  // since it was last used
constexpr std::chrono::minutes kLeftAge{10};      // of what no process holds: a restart may want it

Result<std::string> cache_home() {
    const char* folder = std::getenv("XDG_CACHE_HOME");
    if (folder != nullptr && *folder == '/') {
        return std::string(folder);
    }
    const char* home = std::getenv("HOME");
    if (home == nullptr || *home != '/') {
        return Error{"keep packages", 0, "there is no home directory", kRemedy};
    }
    return std::string(home) + "/.cache";
}

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

bool is_older(const fs::path& path, std::chrono::seconds age) {
    std::error_code failed;
    const auto changed = fs::last_write_time(path, failed);
    return !failed && fs::file_time_type::clock::now() - changed > age;
}

bool is_in_use(const fs::path& folder) {
    const UniqueFd lock(::open((folder / "lock").c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    return lock.valid() && ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0;
}

template <class Wanted>
void remove_if(const std::string& folder, Wanted wanted) {
    std::error_code failed;
    for (fs::directory_iterator one(folder, failed), end; !failed && one != end; one.increment(failed)) {
        if (wanted(one->path())) {
            std::error_code ignored;
            fs::remove_all(one->path(), ignored);
        }
    }
}

}  // namespace

Result<PackageStore> PackageStore::open() {
    auto home = cache_home();
    if (!home) {
        return home.error();
    }
    const std::string root = *home + "/cellblock/packages";
    std::error_code failed;
    fs::create_directories(root, failed);
    ::chmod(root.c_str(), 0700);
    if (auto good = check_private(root); !good) {
        return good.error();
    }
    for (const char* name : {"/entries", "/sessions"}) {
        if (::mkdir((root + name).c_str(), 0700) != 0 && errno != EEXIST) {
            return errno_error("make " + root + name, kRemedy);
        }
    }
    PackageStore store(root);
    store.sweep();
    return store;
}

void PackageStore::sweep() const {
    remove_if(root_ + "/entries", [](const fs::path& path) { return is_older(path, kEntryAge); });
    remove_if(root_ + "/sessions",
              [](const fs::path& path) { return is_older(path, kLeftAge) && !is_in_use(path); });
    remove_if(root_, [](const fs::path& path) {
        return path.filename().string().starts_with("incoming-") && is_older(path, std::chrono::hours(24));
    });
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

Result<std::string> PackageStore::incoming() const {
    std::string path = root_ + "/incoming-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) {
        return errno_error("make a folder in " + root_, "Is the disk full?");
    }
    return path;
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
    std::error_code failed;
    for (fs::directory_iterator one(root_ + "/entries", failed), end; !failed && one != end;
         one.increment(failed)) {
        std::error_code gone;
        const auto used = fs::last_write_time(one->path(), gone);
        if (!gone && one->is_directory(gone)) {
            std::uint64_t size = 0;
            std::ifstream(one->path().string() + kBytes) >> size;
            entries.push_back({used, size, one->path()});
        }
    }
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.used > b.used; });
    std::uint64_t sum = 0;
    for (const auto& one : entries) {
        sum += one.bytes;
        if (sum > bytes) {
            std::error_code ignored;
            fs::remove_all(one.path, ignored);
            fs::remove(one.path.string() + kBytes, ignored);
        }
    }
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
