// What one session has installed.
#include "sandbox/packages/package_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "sandbox/base/file_text.h"

namespace cellblock::sandbox {

namespace {

namespace fs = std::filesystem;

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

}  // namespace

Result<PackageFolder> PackageFolder::open(const PackageStore& store, const std::string& name) {
    std::string path = store.root() + "/sessions/" + (name.empty() ? "XXXXXX" : name);
    if (name.empty() ? ::mkdtemp(path.data()) == nullptr
                     : ::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
        return errno_error("make " + path);
    }
    PackageFolder folder;
    folder.lock_.reset(::open((path + "/lock").c_str(), O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!folder.lock_.valid() || ::flock(folder.lock_.get(), LOCK_EX | LOCK_NB) != 0) {
        return errno_error("lock " + path, "Another session uses it");
    }
    folder.folder_ = TemporaryFolder(path);
    if (::mkdir(folder.seen().c_str(), 0755) != 0 && errno != EEXIST) {
        return errno_error("make " + folder.seen());
    }
    ::chmod(folder.seen().c_str(), 0755);
    folder.read_list();
    return folder;
}

Status PackageFolder::add(const WheelName& wheel, const std::string& entry, std::uint64_t most_bytes) {
    std::uint64_t bytes = 0;
    auto measured = walk(entry, [&](const std::string& path, bool is_folder) -> Status {
        std::error_code failed;
        bytes += is_folder ? 0 : fs::file_size(entry + "/" + path, failed);
        return failed ? Status(Error{"read " + path, failed.value(), {}, {}}) : Status(Ok{});
    });
    if (!measured) {
        return measured;
    }
    if (bytes > most_bytes - std::min(most_bytes, bytes_)) {
        return Error{"install " + wheel.name, 0,
                     "the session's packages would need more than the policy allows",
                     "The policy's key packages.size"};
    }
    remove_earlier(wheel.name);
    auto linked = walk(entry, [&](const std::string& path, bool is_folder) -> Status {
        const std::string target = seen() + "/" + path;
        if (!is_folder) {
            return link_file(entry + "/" + path, target);
        }
        if (::mkdir(target.c_str(), 0755) == 0) {
            ::chmod(target.c_str(), 0755);
            return Ok{};
        }
        return errno == EEXIST ? Status(Ok{}) : Status(errno_error("make " + target));
    });
    if (!linked) {
        return linked;
    }
    installed_[wheel.name] = wheel.version;
    entries_[wheel.name] = entry;
    bytes_ += bytes;
    return write_list();
}

void PackageFolder::remove_earlier(const std::string& name) {
    const auto entry = entries_.find(name);
    if (entry == entries_.end()) {
        return;
    }
    (void)walk(entry->second, [&](const std::string& path, bool is_folder) -> Status {
        if (!is_folder) {
            ::unlink((seen() + "/" + path).c_str());
        }
        return Ok{};
    });
}

// For a session that a restart makes anew; the sandbox doesn't see it.
Status PackageFolder::write_list() const {
    nlohmann::json list = nlohmann::json::object();
    for (const auto& [name, version] : installed_) {
        list[name] = {version, entries_.at(name)};
    }
    const std::string path = folder_.path() + "/installed.json";
    std::ofstream file(path, std::ios::trunc);
    file << nlohmann::json{{"bytes", bytes_}, {"packages", list}};
    return file.flush() ? Status(Ok{}) : Status(errno_error("write " + path));
}

void PackageFolder::read_list() {
    const auto list = nlohmann::json::parse(file_text(folder_.path() + "/installed.json"), nullptr, false);
    if (!list.is_object() || !list.contains("packages")) {
        return;
    }
    bytes_ = list.value("bytes", std::uint64_t{0});
    for (const auto& [name, one] : list["packages"].items()) {
        if (one.is_array() && one.size() == 2 && one[0].is_string() && one[1].is_string()) {
            installed_[name] = one[0];
            entries_[name] = one[1];
        }
    }
}

}  // namespace cellblock::sandbox
