// The folder of the packages that one session has installed.
#include "sandbox/packages/package_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "sandbox/base/files.h"

namespace cellblock::sandbox {

namespace {

namespace fs = std::filesystem;

constexpr const char* kIncoming = "incoming-";
constexpr const char* kList = "/installed.json";

// Calls one(relative path, is_folder) for all below `folder`, folders first.
template <class One>
Status walk(const std::string& folder, One one) {
    std::error_code failed;
    for (fs::recursive_directory_iterator item(folder, failed), end; !failed && item != end;
         item.increment(failed)) {
        const bool is_folder = item->is_directory(failed);
        if (auto done = one(item->path().string().substr(folder.size() + 1), is_folder); !done) {
            return done;
        }
    }
    return failed ? Status(Error{"read " + folder, failed.value(), {}, {}}) : Status(Ok{});
}

Status link_file(const std::string& from, const std::string& to) {
    if (::link(from.c_str(), to.c_str()) == 0) {
        return Ok{};
    }
    if (errno == EEXIST) {
        // Two packages with the same file: as with pip, the later one's stays.
        ::unlink(to.c_str());
        if (::link(from.c_str(), to.c_str()) == 0) {
            return Ok{};
        }
    }
    return errno_error("show " + to);
}

bool is_same_file(int fd, const std::string& path) {
    struct stat held {};
    struct stat there {};
    return ::fstat(fd, &held) == 0 && ::lstat(path.c_str(), &there) == 0 && held.st_ino == there.st_ino &&
           held.st_dev == there.st_dev;
}

// What a killed session was writing.
void remove_half_written(const std::string& folder) {
    std::error_code failed;
    for (fs::directory_iterator one(folder, failed), end; !failed && one != end; one.increment(failed)) {
        if (one->path().filename().string().starts_with(kIncoming)) {
            std::error_code ignored;
            fs::remove_all(one->path(), ignored);
        }
    }
}

}  // namespace

Result<PackageFolder> PackageFolder::open(const PackageStore& store, const std::string& name) {
    std::string path = store.root() + "/sessions/" + (name.empty() ? "XXXXXX" : name);
    if (name.empty() ? ::mkdtemp(path.data()) == nullptr
                     : ::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
        return errno_error("make " + path);
    }
    PackageFolder folder;
    const std::string lock = path + "/lock";
    folder.lock_.reset(::open(lock.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!folder.lock_.valid() || ::flock(folder.lock_.get(), LOCK_EX | LOCK_NB) != 0) {
        return errno_error("lock " + path, "Another session uses it");
    }
    if (!is_same_file(folder.lock_.get(), lock)) {
        return Error{"lock " + path, 0, "it was swept just now", "Restart the kernel"};
    }
    folder.folder_ = TemporaryFolder(path);
    remove_half_written(path);
    if (::mkdir(folder.seen().c_str(), 0755) != 0 && errno != EEXIST) {
        return errno_error("make " + folder.seen());
    }
    ::chmod(folder.seen().c_str(), 0755);
    folder.read_list();
    return folder;
}

Result<TemporaryFolder> PackageFolder::incoming() const {
    std::string path = folder_.path() + "/" + kIncoming + "XXXXXX";
    return ::mkdtemp(path.data()) != nullptr
               ? Result<TemporaryFolder>(TemporaryFolder(path))
               : errno_error("make a folder in " + folder_.path(), "Is the disk full?");
}

void PackageFolder::keep() {
    std::error_code ignored;
    fs::last_write_time(folder_.path(), fs::file_time_type::clock::now(), ignored);  // no sweep takes it soon
    folder_.release();
}

Status PackageFolder::add(const WheelName& wheel, const std::string& entry, std::uint64_t bytes) {
    remove_earlier(wheel.name);
    std::vector<std::string> files;
    auto linked = walk(entry, [&](const std::string& path, bool is_folder) -> Status {
        const std::string target = seen() + "/" + path;
        if (!is_folder) {
            files.push_back(path);
            return link_file(entry + "/" + path, target);
        }
        if (::mkdir(target.c_str(), 0755) == 0) {
            ::chmod(target.c_str(), 0755);
            return Ok{};
        }
        return errno == EEXIST ? Status(Ok{}) : Status(errno_error("make " + target));
    });
    files_[wheel.name] = std::move(files);
    bytes_ += bytes;
    if (!linked) {
        return linked;
    }
    installed_[wheel.name] = wheel.version;
    return write_list();
}

void PackageFolder::remove_earlier(const std::string& name) {
    installed_.erase(name);
    for (const auto& path : files_[name]) {
        ::unlink((seen() + "/" + path).c_str());
        // An empty .dist-info would be a package without a version to importlib.metadata.
        auto above = fs::path(path).parent_path();
        while (!above.empty() && ::rmdir((seen() + "/" + above.string()).c_str()) == 0) {
            above = above.parent_path();
        }
    }
    files_.erase(name);
}

// For a session that a restart makes anew; the sandbox doesn't see it. Whole or not there.
Status PackageFolder::write_list() const {
    nlohmann::json list = nlohmann::json::object();
    for (const auto& [name, version] : installed_) {
        list[name] = {{"version", version}, {"files", files_.at(name)}};
    }
    const std::string path = folder_.path() + kList;
    const std::string half = path + ".new";
    std::ofstream file(half, std::ios::trunc);
    file << nlohmann::json{{"bytes", bytes_}, {"packages", list}}.dump(
        -1, ' ', false, nlohmann::json::error_handler_t::replace);
    file.close();
    return file && ::rename(half.c_str(), path.c_str()) == 0 ? Status(Ok{})
                                                             : Status(errno_error("write " + path));
}

// Written by write_list alone. A folder without it, or with one that can't be read, begins empty.
void PackageFolder::read_list() {
    const auto list = nlohmann::json::parse(file_text(folder_.path() + kList), nullptr, false);
    try {
        bytes_ = list.at("bytes").get<std::uint64_t>();
        for (const auto& [name, one] : list.at("packages").items()) {
            installed_[name] = one.at("version").get<std::string>();
            files_[name] = one.at("files").get<std::vector<std::string>>();
        }
    } catch (const nlohmann::json::exception&) {
        bytes_ = 0;
        installed_.clear();
        files_.clear();
        std::error_code ignored;
        for (fs::directory_iterator one(seen(), ignored), end; !ignored && one != end;
             one.increment(ignored)) {
            std::error_code gone;
            fs::remove_all(one->path(), gone);
        }
    }
}

}  // namespace cellblock::sandbox
