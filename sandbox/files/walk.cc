// A folder's content, looked through.
#include "sandbox/files/walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <utility>

#include "sandbox/api/policy.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/base/text.h"

namespace cellblock::sandbox::files {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostName = 200;
constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_NOATIME;

// In UTF-8: U+0080 to U+009F, U+200B to U+200F, U+2028 to U+202E, U+2060 to U+206F, U+FEFF, U+FFF9 to U+FFFF.
bool misleads(std::string_view letter) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(letter[i]); };
    if (letter.size() == 2) {
        return at(0) == 0xC2 && at(1) < 0xA0;
    }
    if (letter.size() != 3) {
        return false;
    }
    const unsigned code = (at(0) & 0x0FU) << 12U | (at(1) & 0x3FU) << 6U | (at(2) & 0x3FU);
    return (code >= 0x200B && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E) ||
           (code >= 0x2060 && code <= 0x206F) || code == 0xFEFF || code >= 0xFFF9;
}

// An own user's folder may be opened without a trace; another's may not.
int open_folder(int above, const char* name) {
    const int fd = open_below(above, name, kFolderFlags, RESOLVE_NO_XDEV);
    return fd >= 0 || errno != EPERM ? fd
                                     : open_below(above, name, kFolderFlags & ~O_NOATIME, RESOLVE_NO_XDEV);
}

class Walk {
public:
    Walk(const WalkBounds& bounds, const std::function<void(const Found&)>& visit)
        : bounds_(bounds), visit_(visit), end_(Clock::now() + bounds.time) {}

    void look(int fd, const std::string& above, int depth) {
        const std::unique_ptr<DIR, int (*)(DIR*)> folder(::fdopendir(fd), &::closedir);
        if (!folder) {
            ::close(fd);
            walked_.whole = false;
            return;
        }
        while (const dirent* entry = next(folder.get())) {
            const std::string name = entry->d_name;
            if (name.front() == '.') {
                continue;
            }
            if (!is_plain_name(name)) {
                ++walked_.unfit_names;
                continue;
            }
            if (is_folder(fd, *entry)) {
                ++walked_.folders;
                descend(fd, name, above, depth);
            } else {
                visit_({fd, name, above + name});
            }
        }
    }

    [[nodiscard]] Walked walked() const { return walked_; }

private:
    // Null at the folder's end, and where a bound is met.
    dirent* next(DIR* folder) {
        if (seen_ >= bounds_.names || Clock::now() > end_) {
            walked_.whole = false;
            return nullptr;
        }
        ++seen_;
        return ::readdir(folder);
    }

    static bool is_folder(int fd, const dirent& entry) {
        struct stat info {};
        return entry.d_type == DT_DIR ||
               (entry.d_type == DT_UNKNOWN && ::fstatat(fd, entry.d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                S_ISDIR(info.st_mode));
    }

    void descend(int fd, const std::string& name, const std::string& above, int depth) {
        const int inner = depth < bounds_.depth ? open_folder(fd, name.c_str()) : -1;
        if (inner < 0) {
            walked_.whole = false;
            return;
        }
        look(inner, above + name + "/", depth + 1);
    }

    const WalkBounds& bounds_;
    const std::function<void(const Found&)>& visit_;
    Clock::time_point end_;
    std::size_t seen_ = 0;
    Walked walked_;
};

}  // namespace

std::string below_work(const std::string& path) {
    const std::string work = std::string(kWorkingDirectory) + "/";
    const std::string name = path.starts_with(work) ? path.substr(work.size()) : path;
    std::string below = std::filesystem::path(name).lexically_normal().string();
    if (below.ends_with('/')) {
        below.pop_back();
    }
    const bool is_elsewhere =
        below.starts_with('/') || below == ".." || below.starts_with("../") || below == ".";
    return is_elsewhere ? std::string() : below;
}

bool is_plain_name(std::string_view name) {
    if (name.empty() || name.size() > kMostName || std::string_view(".- ").find(name.front()) != name.npos ||
        std::string_view(". ").find(name.back()) != name.npos) {
        return false;
    }
    for (std::size_t at = 0; at < name.size();) {
        const std::size_t length = utf8_length(name, at);
        const auto first = static_cast<unsigned char>(name[at]);
        if (length == 0 || first < ' ' || first == 0x7F || first == '/' || first == '\\' ||
            misleads(name.substr(at, length))) {
            return false;
        }
        at += length;
    }
    return true;
}

Walked walk(int root, const WalkBounds& bounds, const std::function<void(const Found&)>& visit) {
    Walk all(bounds, visit);
    const int fd = open_folder(root, ".");
    if (fd < 0) {
        return {0, 0, false};
    }
    all.look(fd, {}, 1);
    return all.walked();
}

}  // namespace cellblock::sandbox::files
