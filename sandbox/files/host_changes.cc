// inotify's watches, and a comparison of what host and sandbox see.
#include "sandbox/files/host_changes.h"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "sandbox/base/background.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/files/walk.h"

namespace cellblock::sandbox::files {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostFolders = 4096;
constexpr std::size_t kMostEntries = 200'000;  // looked at for folders among them
constexpr std::uint32_t kWanted = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
constexpr std::chrono::seconds kTimeToWalk{10};
constexpr std::uint32_t kHow = IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK;

bool differs(const struct stat& host, const SeenFile& seen) {
    return static_cast<std::uint64_t>(host.st_size) != seen.size_bytes ||
           host.st_mtim.tv_sec != seen.modified.tv_sec || host.st_mtim.tv_nsec != seen.modified.tv_nsec;
}

}  // namespace

// The state of one watch. The background has it until it has gone through the folders.
struct HostChanges::Watch {
    struct Folder {
        HostChange path;
        bool is_root = false;  // in which names with a dot aren't shown
    };

    std::mutex lock;
    UniqueFd inotify{::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
    std::map<int, Folder> folders;
    std::size_t entries = 0;
    bool blind = !inotify.valid();  // not all is watched

    void add(Folder first);
    bool read(std::vector<HostChange>& changed);

private:
    bool watch_one(const Folder& folder);
    void take(const inotify_event& event, const char* name, std::vector<HostChange>& changed);
};

bool HostChanges::Watch::watch_one(const Folder& folder) {
    if (folders.size() >= kMostFolders) {
        blind = true;
        return false;
    }
    const int number = ::inotify_add_watch(inotify.get(), folder.path.host.c_str(), kWanted | kHow);
    if (number >= 0) {
        folders.insert_or_assign(number, folder);
    } else if (errno == ENOSPC || errno == ENOMEM) {
        blind = true;
    }
    return number >= 0;
}

// A folder and those below it.
void HostChanges::Watch::add(Folder first) {
    std::deque<Folder> waiting{std::move(first)};
    const auto until = std::chrono::steady_clock::now() + kTimeToWalk;
    while (!waiting.empty() && !blind && !is_finishing()) {
        if (std::chrono::steady_clock::now() > until) {
            blind = true;
            return;
        }
        const Folder folder = std::move(waiting.front());
        waiting.pop_front();
        if (!watch_one(folder)) {
            continue;
        }
        std::error_code failed;
        for (fs::directory_iterator one(folder.path.host, failed), end; !failed && one != end;
             one.increment(failed)) {
            if (++entries > kMostEntries) {
                blind = true;
                return;
            }
            const std::string name = one->path().filename().string();
            std::error_code unknown;
            if (!(folder.is_root && name.starts_with('.')) &&
                one->symlink_status(unknown).type() == fs::file_type::directory) {
                waiting.push_back({{folder.path.host + "/" + name, folder.path.inside + "/" + name}, false});
            }
        }
    }
}

void HostChanges::Watch::take(const inotify_event& event, const char* name,
                              std::vector<HostChange>& changed) {
    const auto found = folders.find(event.wd);
    if (found == folders.end()) {
        return;
    }
    if ((event.mask & IN_IGNORED) != 0) {
        folders.erase(found);
        return;
    }
    const Folder folder = found->second;
    if (name[0] == '\0' || (folder.is_root && name[0] == '.')) {
        return;
    }
    HostChange change{folder.path.host + "/" + name, folder.path.inside + "/" + name};
    if ((event.mask & IN_ISDIR) != 0 && (event.mask & (IN_CREATE | IN_MOVED_TO)) != 0) {
        add({change, false});
    }
    if (changed.size() < kMostNames && std::find(changed.begin(), changed.end(), change) == changed.end()) {
        changed.push_back(std::move(change));
    }
}

// Whether anything has changed.
bool HostChanges::Watch::read(std::vector<HostChange>& changed) {
    const std::unique_lock locked(lock, std::try_to_lock);
    if (!locked) {
        return true;  // the background is still on its way
    }
    bool any = blind;
    alignas(inotify_event) std::array<char, 16384> bytes{};
    while (inotify.valid()) {
        const ssize_t size = ::read(inotify.get(), bytes.data(), bytes.size());
        if (size <= 0) {
            break;
        }
        for (ssize_t at = 0; at < size;) {
            inotify_event event{};
            std::memcpy(&event, bytes.data() + at, sizeof event);
            const char* const name = bytes.data() + at + sizeof event;
            const std::size_t before = changed.size();
            any = any || (event.mask & IN_Q_OVERFLOW) != 0;
            take(event, event.len > 0 ? name : "", changed);
            any = any || changed.size() > before || changed.size() == kMostNames;
            at += static_cast<ssize_t>(sizeof event + event.len);
        }
    }
    return any;
}

HostChanges::HostChanges(const Policy& policy, const std::string& directory) {
    for (const auto& rule : policy.files) {
        if (rule.mode != FileMode::overlay) {
            continue;
        }
        std::error_code failed;
        const std::string host = rule.host.starts_with('/') ? rule.host : directory + "/" + rule.host;
        const std::string real = fs::canonical(host, failed).string();
        if (!failed) {
            roots_.push_back({real, rule.sandbox});
        }
    }
}

HostChanges::~HostChanges() = default;

void HostChanges::begin() {
    if (watch_ || roots_.empty()) {
        return;
    }
    watch_ = std::make_shared<Watch>();
    run_in_background([watch = watch_, roots = roots_] {
        for (const auto& root : roots) {
            const std::lock_guard locked(watch->lock);
            watch->add({root, true});
        }
    });
}

void HostChanges::stop() {
    roots_.clear();
    watch_.reset();
    again_.clear();
}

std::optional<std::vector<HostChange>> HostChanges::take() {
    if (!watch_) {
        return std::nullopt;
    }
    auto changed = std::exchange(again_, {});
    const bool again = !changed.empty();
    return watch_->read(changed) || again ? std::optional(std::move(changed)) : std::nullopt;
}

void HostChanges::give_back(std::vector<HostChange> changes) {
    again_ = std::move(changes);
}

void touch_folders(const std::vector<HostChange>& changed, int changes) {
    std::set<std::string> folders;
    for (const auto& one : changed) {
        if (const std::string below = below_work(one.inside); !below.empty()) {
            const std::string above = fs::path(below).parent_path().string();
            folders.insert(above.empty() ? "." : above);
        }
    }
    for (const auto& folder : folders) {
        const OpenFile own(open_below(changes, folder.c_str(), O_RDONLY | O_DIRECTORY, RESOLVE_NO_XDEV));
        if (own.valid()) {
            (void)::futimens(own.get(), nullptr);
        }
    }
}

std::vector<HostChange> still_old(const std::vector<HostChange>& changed, const std::vector<SeenFile>& seen,
                                  int changes) {
    std::vector<HostChange> old;
    for (std::size_t i = 0; i < std::min(changed.size(), seen.size()); ++i) {
        struct stat host {};
        const bool is_there = ::lstat(changed[i].host.c_str(), &host) == 0;
        const bool is_old =
            is_there ? S_ISREG(host.st_mode) && seen[i].is_there && differs(host, seen[i]) : seen[i].is_there;
        const std::string below = below_work(changed[i].inside);
        if (!is_old || below.empty()) {
            continue;
        }
        // No link leads out of what cells have made.
        const OpenFile own(open_below(changes, below.c_str(), O_PATH));
        if (!own.valid() && errno == ENOENT) {
            old.push_back(changed[i]);
        }
    }
    return old;
}

}  // namespace cellblock::sandbox::files
