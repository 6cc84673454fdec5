// Putting files into a folder of the host.
#include "sandbox/files/host_folder.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>
#include <vector>

#include "sandbox/base/digests.h"
#include "sandbox/base/syscalls.h"

namespace cellblock::sandbox::files {

namespace {

constexpr std::size_t kPiece = 256U << 10;
constexpr int kMostNames = 99;  // "data (99).csv"
constexpr std::size_t kMostKnownNames = 10'000;
constexpr unsigned kMode = 0644;  // less the process's umask
constexpr unsigned kFolderMode = 0755;

// The folder that `path` lies in, made where it is missing; and the path's last name.
struct Place {
    UniqueFd folder;
    std::string name;
};

Result<Place> place_of(int root, const std::string& path) {
    Place place{UniqueFd(::fcntl(root, F_DUPFD_CLOEXEC, 0)), path};
    for (auto slash = place.name.find('/'); slash != std::string::npos; slash = place.name.find('/')) {
        const std::string part = place.name.substr(0, slash);
        if (::mkdirat(place.folder.get(), part.c_str(), kFolderMode) != 0 && errno != EEXIST) {
            return errno_error("make the folder " + part);
        }
        place.folder = UniqueFd(open_below(place.folder.get(), part.c_str(), O_RDONLY | O_DIRECTORY));
        if (!place.folder.valid()) {
            return errno_error("open the folder " + part, "Links are not followed");
        }
        place.name.erase(0, slash + 1);
    }
    return place;
}

// A file that has no name of its own until it is whole, and none of which anything stays where this process
// is killed; on filesystems that have no such files, one with a hidden name.
class NewFile {
public:
    explicit NewFile(int folder) : folder_(folder), hidden_(".cellblock-" + random_hex(8)) {
        fd_ = UniqueFd(::openat(folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, kMode));
        if (!fd_.valid() && errno != ENOSPC && errno != EDQUOT) {
            fd_ = UniqueFd(::openat(folder, hidden_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kMode));
            is_named_ = fd_.valid();
        }
    }
    NewFile(const NewFile&) = delete;
    NewFile& operator=(const NewFile&) = delete;
    ~NewFile() {
        if (is_named_) {
            ::unlinkat(folder_, hidden_.c_str(), 0);
        }
    }

    [[nodiscard]] int get() const { return fd_.get(); }
    [[nodiscard]] bool valid() const { return fd_.valid(); }

    // False, with errno EEXIST: there is something of that name.
    bool name(const std::string& name) {
        if (!is_named_) {
            return link(name);
        }
        is_named_ = ::renameat2(folder_, hidden_.c_str(), folder_, name.c_str(), RENAME_NOREPLACE) != 0;
        return !is_named_;
    }

    // Takes the place of the file that `known` describes, or leaves all as it is.
    bool replace(const std::string& name, const struct stat& known) {
        is_named_ = is_named_ || link(hidden_);
        if (!is_named_ ||
            ::renameat2(folder_, hidden_.c_str(), folder_, name.c_str(), RENAME_EXCHANGE) != 0) {
            return false;
        }
        struct stat old {};
        if (::fstatat(folder_, hidden_.c_str(), &old, AT_SYMLINK_NOFOLLOW) == 0 && is_same(old, known)) {
            return true;  // and the old one is removed with us
        }
        // What has the hidden name is the user's now: it gets its own back, or stays. It isn't ours to
        // remove.
        is_named_ = ::renameat2(folder_, hidden_.c_str(), folder_, name.c_str(), RENAME_EXCHANGE) == 0;
        if (!is_named_) {
            (void)::renameat2(folder_, hidden_.c_str(), folder_, name.c_str(), RENAME_NOREPLACE);
        }
        return false;
    }

private:
    bool link(const std::string& name) {
        const std::string self = "/proc/self/fd/" + std::to_string(fd_.get());
        return ::linkat(AT_FDCWD, self.c_str(), folder_, name.c_str(), AT_SYMLINK_FOLLOW) == 0;
    }

    // Its name may have changed, which changes st_ctim.
    static bool is_same(const struct stat& a, const struct stat& b) {
        return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
               a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
    }

    int folder_;
    std::string hidden_;
    UniqueFd fd_;
    bool is_named_ = false;
};

// Reads to the end, or to `most` bytes. Gives the number of bytes; `write`: false ends it, with errno.
template <class Write>
Result<std::uint64_t> read_all(int from, std::uint64_t most, const Stop& stop, const Write& write) {
    std::vector<char> piece(kPiece);
    std::uint64_t size = 0;
    while (size < most) {
        if (stop()) {
            return Error{"copy it", ECANCELED, {}, {}};
        }
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, most - size));
        const ssize_t got = ::pread(from, piece.data(), wanted, static_cast<off_t>(size));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return errno_error("read it");
        }
        if (got == 0) {
            break;
        }
        if (!write(std::string_view(piece.data(), static_cast<std::size_t>(got)))) {
            return errno_error("write it");
        }
        size += static_cast<std::uint64_t>(got);
    }
    return size;
}

// A look at the file that a name leads to.
struct Existing {
    bool is_there = false;
    struct stat info {};
    std::string sha256;  // empty: no plain file, or it wasn't read
};

// Reads the file only if cells have made it, or if it has `size` bytes.
Existing look_at(int folder, const std::string& name, bool is_known, std::uint64_t size, const Stop& stop) {
    Existing found;
    found.is_there = ::fstatat(folder, name.c_str(), &found.info, AT_SYMLINK_NOFOLLOW) == 0;
    if (!found.is_there || !S_ISREG(found.info.st_mode) ||
        (!is_known && static_cast<std::uint64_t>(found.info.st_size) != size)) {
        return found;
    }
    const UniqueFd file(open_below(folder, name.c_str(), O_RDONLY | O_NONBLOCK));
    if (!file.valid() || ::fstat(file.get(), &found.info) != 0) {
        return found;
    }
    Sha256 digest;
    if (read_all(file.get(), static_cast<std::uint64_t>(found.info.st_size), stop,
                 [&](std::string_view piece) {
                     digest.add(piece);
                     return true;
                 })) {
        found.sha256 = digest.finish();
    }
    return found;
}

std::string numbered(const std::string& name, int number) {
    if (number == 1) {
        return name;
    }
    const auto dot = name.rfind('.');
    const std::string mark = " (" + std::to_string(number) + ")";
    return dot == std::string::npos || dot == 0 ? name + mark : name.substr(0, dot) + mark + name.substr(dot);
}

}  // namespace

Result<HostFolder> HostFolder::open(const std::string& path) {
    if (::mkdir(path.c_str(), kFolderMode) != 0 && errno != EEXIST) {
        return errno_error("make the folder " + path, "Name one that can be made, in a folder that is there");
    }
    UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder.valid()) {
        return errno_error("open the folder " + path);
    }
    return HostFolder(path, std::move(folder));
}

bool HostFolder::is_there() const {
    struct stat opened {};
    struct stat named {};
    return ::fstat(folder_.get(), &opened) == 0 && ::stat(path_.c_str(), &named) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

Result<PutFile> HostFolder::put(const std::string& path, int from, std::uint64_t most, const Stop& stop,
                                KeptDigests& digests) {
    CELLBLOCK_ASSIGN_OR_RETURN(const auto place, place_of(folder_.get(), path));
    NewFile file(place.folder.get());
    if (!file.valid()) {
        return errno_error("write it");
    }
    Sha256 digest;
    CELLBLOCK_ASSIGN_OR_RETURN(const auto size, read_all(from, most, stop, [&](std::string_view piece) {
                                   digest.add(piece);
                                   return write_all(file.get(), piece.data(), piece.size());
                               }));
    const std::string sha256 = digest.finish();
    const std::string above = path.substr(0, path.size() - place.name.size());
    const auto before = names_.find(path);
    for (int number = before != names_.end() ? 0 : 1; number <= kMostNames; ++number) {
        const std::string name = number == 0 ? before->second : numbered(place.name, number);
        const auto other = paths_.find(above + name);
        if (other != paths_.end() && other->second != path) {
            continue;
        }
        const std::string absolute = path_ + "/" + above + name;
        const auto known = digests.find(absolute);
        const auto there = look_at(place.folder.get(), name, known.has_value(), size, stop);
        if (stop()) {
            return Error{"write it", ECANCELED, {}, {}};  // the look may have ended early
        }
        const bool is_cells = !there.sha256.empty() && known == there.sha256;
        const bool is_done = there.sha256 == sha256 ? true
                             : !there.is_there      ? file.name(name)
                             : is_cells             ? file.replace(name, there.info)
                                                    : false;
        if (!is_done) {
            if (!there.is_there && errno != EEXIST) {
                return errno_error("write it");
            }
            continue;
        }
        const bool is_users = there.sha256 == sha256 && !is_cells;
        if (!is_users) {
            digests.note(absolute, sha256);
        }
        if (names_.size() < kMostKnownNames) {
            names_[path] = name;
            paths_[above + name] = path;
        }
        return PutFile{above + name, size, sha256, is_users};
    }
    return Error{"write it", EEXIST, "there are too many files of that name already", "Remove some"};
}

}  // namespace cellblock::sandbox::files
