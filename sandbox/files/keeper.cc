// Looking for files to keep, and keeping them.
#include "sandbox/files/keeper.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <string_view>
#include <utility>

#include "sandbox/base/background.h"
#include "sandbox/base/resources.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/base/text.h"
#include "sandbox/files/host_folder.h"
#include "sandbox/files/kept_digests.h"
#include "sandbox/files/walk.h"
#include "sandbox/policy/keep_patterns.h"

namespace cellblock::sandbox::files {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kTimeToCopy{60};
constexpr std::size_t kMostReasons = 20;
constexpr std::size_t kMostRefused = 10'000;
constexpr std::size_t kMostOfSession = 10'000;
constexpr std::size_t kMostGiven = 10'000;
constexpr std::uint64_t kNanoseconds = 1'000'000'000;

// Media types by the endings of usual_patterns(), as IANA or the format's home has them.
constexpr auto kMediaTypes = std::to_array<std::pair<std::string_view, const char*>>({
    {".csv", "text/csv"},
    {".tsv", "text/tab-separated-values"},
    {".parquet", "application/vnd.apache.parquet"},
    {".feather", "application/vnd.apache.arrow.file"},
    {".arrow", "application/vnd.apache.arrow.file"},
    {".json", "application/json"},
    {".jsonl", "application/jsonl"},
    {".geojson", "application/geo+json"},
    {".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {".txt", "text/plain"},
    {".md", "text/markdown"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".jpeg", "image/jpeg"},
    {".svg", "image/svg+xml"},
    {".pdf", "application/pdf"},
    {".h5", "application/x-hdf5"},
    {".nc", "application/netcdf"},
});

std::string media_type(const std::string& name) {
    const std::string small = lower(name);
    for (const auto& [ending, type] : kMediaTypes) {
        if (small.ends_with(ending)) {
            return type;
        }
    }
    return "application/octet-stream";
}

std::string normal_path(const std::string& path) {
    const std::string normal = std::filesystem::path(path).lexically_normal().string();
    return normal.size() > 1 && normal.ends_with('/') ? normal.substr(0, normal.size() - 1) : normal;
}

// A folder's name counts as a file's does: evil.dist-info/entry_points.txt, node_modules/…
bool lies_in_what_could_run(std::string_view path) {
    for (auto slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/')) {
        if (could_run_later(path.substr(0, slash))) {
            return true;
        }
        path.remove_prefix(slash + 1);
    }
    return false;
}

// What a client has written; without a size while it does.
struct Given {
    std::optional<std::uint64_t> size;
    std::uint64_t modified = 0;
};

// A file as it was at a look.
struct Stamp {
    ino_t inode = 0;
    off_t size = 0;
    timespec written{};
    timespec changed{};

    explicit Stamp(const struct stat& info)
        : inode(info.st_ino), size(info.st_size), written(info.st_mtim), changed(info.st_ctim) {}

    bool operator==(const Stamp& other) const {
        const auto same = [](const timespec& a, const timespec& b) {
            return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
        };
        return inode == other.inode && size == other.size && same(written, other.written) &&
               same(changed, other.changed);
    }
};

// A folder as it was at a look that found nothing to keep now or later: no folder, and no file whose name
// fits. Whatever comes into it changes its ctime, which no cell can set.
class BareFolder {
public:
    // As the folder is now. The clock of files moves in steps, so a ctime of this moment may be that of the
    // next change, too: then the folder is none, as is one of another filesystem, which may have another
    // clock.
    static std::optional<BareFolder> of(int folder) {
        struct statfs system {};
        struct stat info {};
        timespec now{};
        const bool is_known = ::fstatfs(folder, &system) == 0 && system.f_type == TMPFS_MAGIC &&
                              ::fstat(folder, &info) == 0 &&
                              ::clock_gettime(CLOCK_REALTIME_COARSE, &now) == 0;
        const bool is_before = info.st_ctim.tv_sec < now.tv_sec ||
                               (info.st_ctim.tv_sec == now.tv_sec && info.st_ctim.tv_nsec < now.tv_nsec);
        return is_known && is_before ? std::optional(BareFolder(info)) : std::nullopt;
    }
    [[nodiscard]] bool is_same(int folder) const {
        struct stat info {};
        return ::fstat(folder, &info) == 0 && info.st_dev == device_ && Stamp(info) == stamp_;
    }

private:
    explicit BareFolder(const struct stat& info) : device_(info.st_dev), stamp_(info) {}

    dev_t device_;
    Stamp stamp_;
};

}  // namespace

// The state of a session's looks, from cell to cell. The background has it while the Keeper is busy.
struct Keeper::Work {
    KeepRules rules;
    std::string key;  // "files[0].keep"
    std::string to;
    std::vector<std::string> others;  // below the working directory, what other entries of `files` show there
    UniqueFd event;
    std::map<std::string, Stamp> seen;
    std::set<std::string> refused;  // names that no pattern matches
    std::optional<HostFolder> folder;
    std::optional<KeptDigests> digests;  // from the first new file of a look to its end
    std::string told;                    // the last Error
    std::size_t unfit_names = 0;         // of the last look, as is what follows
    bool was_whole = true;
    std::optional<BareFolder> bare;              // where the last look found nothing that could be kept
    std::map<std::string, std::uint64_t> sizes;  // of the files that this session has kept, by their paths
    std::uint64_t total = 0;                     // their sum
    // Members of one look.
    std::map<std::string, Stamp> found_now;
    Kept kept;
    std::size_t left = 0;
    Clock::time_point end;
    std::atomic<bool> cancelled{false};
    std::atomic<bool> done{false};

    void look(const Result<UniqueFd>& changes);
    void tell();
    void note_given(const std::string& path, const Given& given);

private:
    std::mutex given_lock_;
    std::map<std::string, Given> given_;

    [[nodiscard]] bool is_given(const std::string& path, const struct stat& info);
    [[nodiscard]] bool is_over() const { return cancelled || is_finishing() || Clock::now() > end; }
    [[nodiscard]] bool is_anothers(const std::string& path) const;
    void leave(const std::string& name, const std::string& reason);
    void consider(const Found& found);
    [[nodiscard]] std::string why_not(const std::string& path, const struct stat& info) const;
    bool open_folder();
    void keep(const Found& found);
};

// What is shown in the working directory has an empty file or folder below it.
bool Keeper::Work::is_anothers(const std::string& path) const {
    return std::any_of(others.begin(), others.end(), [&](const std::string& other) {
        return path == other || path.starts_with(other + "/");
    });
}

void Keeper::Work::note_given(const std::string& path, const Given& given) {
    const std::string name = below_work(path);
    const std::lock_guard locked(given_lock_);
    if (!name.empty() && (given_.size() < kMostGiven || given_.contains(name))) {
        given_.insert_or_assign(name, given);
    }
}

bool Keeper::Work::is_given(const std::string& path, const struct stat& info) {
    const std::lock_guard locked(given_lock_);
    const auto given = given_.find(path);
    const auto modified = static_cast<std::uint64_t>(info.st_mtim.tv_sec) * kNanoseconds +
                          static_cast<std::uint64_t>(info.st_mtim.tv_nsec);
    return given != given_.end() &&
           (!given->second.size || (*given->second.size == static_cast<std::uint64_t>(info.st_size) &&
                                    given->second.modified == modified));
}

void Keeper::Work::leave(const std::string& name, const std::string& reason) {
    if (kept.not_kept.size() < kMostReasons) {
        kept.not_kept.push_back({name, reason});
    } else {
        ++left;
    }
}

void Keeper::Work::consider(const Found& found) {
    const bool fits = is_kept(rules.patterns, found.name) && !lies_in_what_could_run(found.path);
    struct stat info {};
    if (is_anothers(found.path) || (!fits && refused.contains(found.path)) ||
        ::fstatat(found.folder, found.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(info.st_mode)) {
        return;
    }
    if (!fits) {
        if (refused.size() < kMostRefused && refused.insert(found.path).second) {
            leave(found.path, "its name isn't among " + key + ".patterns");
        }
        return;
    }
    const Stamp stamp(info);
    const auto now = found_now.insert_or_assign(found.path, stamp).first;
    const auto before = seen.find(found.path);
    if ((before != seen.end() && before->second == stamp) || is_given(found.path, info)) {
        return;
    }
    if (const std::string reason = why_not(found.path, info); !reason.empty()) {
        return leave(found.path, reason);
    }
    if (open_folder()) {
        keep(found);
    } else {
        found_now.erase(now);  // it may be there after the next cell
    }
}

std::string Keeper::Work::why_not(const std::string& path, const struct stat& info) const {
    const auto size = static_cast<std::uint64_t>(info.st_size);
    const auto before = sizes.find(path);  // the new one takes its place
    if (info.st_nlink != 1) {
        return "it has several names (hard links)";
    }
    if (size > rules.size_bytes) {
        return "it has " + format_size(size) + ", " + key + ".size is " + format_size(rules.size_bytes);
    }
    if (kept.files.size() >= rules.count) {
        return "the cell made more files than " + key + ".count (" + std::to_string(rules.count) + ")";
    }
    if (before == sizes.end() && sizes.size() >= kMostOfSession) {
        return "this session has kept " + std::to_string(kMostOfSession) + " files already";
    }
    if (total - (before != sizes.end() ? before->second : 0) + size > rules.total_bytes) {
        return "this session's files are more than " + key + ".total (" + format_size(rules.total_bytes) +
               ")";
    }
    return {};
}

// Once for each look, at its first file. False, told once: there is none.
bool Keeper::Work::open_folder() {
    if (digests) {
        return folder.has_value();
    }
    const std::string state = state_directory();
    digests.emplace(state.empty() ? state : state + "/kept.json");
    if (folder && folder->is_there()) {
        return true;
    }
    folder.reset();
    auto opened = HostFolder::open(to);
    if (!opened) {
        leave({}, key + ".to: " + opened.error().text());
        return false;
    }
    folder = std::move(*opened);
    return true;
}

// What was looked at a moment ago may be another file by now: what counts is what was opened.
void Keeper::Work::keep(const Found& found) {
    const UniqueFd file(
        open_below(found.folder, found.name.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY, RESOLVE_NO_XDEV));
    struct stat info {};
    if (!file.valid() || ::fstat(file.get(), &info) != 0) {
        return leave(found.path, errno_error("read it").text());
    }
    if (!S_ISREG(info.st_mode)) {
        return;
    }
    if (const std::string reason = why_not(found.path, info); !reason.empty()) {
        return leave(found.path, reason);
    }
    auto put = folder->put(
        found.path, file.get(), static_cast<std::uint64_t>(info.st_size), [this] { return is_over(); },
        *digests);
    if (!put && put.error().code == ECANCELED) {
        found_now.erase(found.path);  // the next look tries it again
    }
    if (!put) {
        return leave(found.path, put.error().text());
    }
    if (!put->is_users) {
        auto& counted = sizes[found.path];
        total += put->size_bytes - std::exchange(counted, put->size_bytes);
        kept.files.push_back({found.path, folder->path() + "/" + put->path, put->size_bytes,
                              media_type(found.name), std::move(put->sha256)});
    }
}

void Keeper::Work::look(const Result<UniqueFd>& changes) {
    kept = {};
    left = 0;
    if (!changes) {
        bare.reset();
        const std::string reason = changes.error().text();
        if (std::exchange(told, reason) != reason) {
            leave({}, reason + " (" + key + ")");
        }
        return;
    }
    told.clear();
    end = Clock::now() + kTimeToCopy;
    bare = BareFolder::of(changes->get());
    const auto walked = walk(changes->get(), {}, [&](const Found& found) {
        if (!is_over()) {
            consider(found);
        }
    });
    seen = std::exchange(found_now, {});
    if (!seen.empty() || walked.folders > 0 || !walked.whole || is_over()) {
        bare.reset();
    }
    if (digests) {
        digests->save();
        digests.reset();
    }
    if (walked.unfit_names > std::exchange(unfit_names, walked.unfit_names)) {
        leave({}, std::to_string(walked.unfit_names) + " names can't be shown");
    }
    if (std::exchange(was_whole, walked.whole) && !walked.whole) {
        leave({},
              "there is more than was looked through: too many files or folders, or some that can't be read");
    }
    if (left > 0) {
        kept.not_kept.back() = {{}, "and " + std::to_string(left + 1) + " more"};
    }
}

void Keeper::Work::tell() {
    done = true;
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(event.get(), &one, sizeof one);
}

Keeper::Keeper(const Policy& policy, const std::string& directory) {
    const KeepRules* rules = keep_rules(policy);
    if (rules == nullptr) {
        return;
    }
    work_ = std::make_shared<Work>();
    work_->rules = *rules;
    for (std::size_t i = 0; i < policy.files.size(); ++i) {
        const std::string other = below_work(policy.files[i].sandbox);
        if (policy.files[i].keep) {
            work_->key = "files[" + std::to_string(i) + "].keep";
        } else if (!other.empty()) {
            work_->others.push_back(other);
        }
    }
    work_->to = normal_path(rules->to.starts_with('/') ? rules->to : directory + "/" + rules->to);
    work_->event = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

Keeper::~Keeper() = default;

int Keeper::poll_fd() const {
    return work_ ? work_->event.get() : -1;
}

void Keeper::cancel() {
    if (work_) {
        work_->cancelled = true;
    }
}

void Keeper::begin_given(const std::string& path) {
    if (work_) {
        work_->note_given(path, {});
    }
}

void Keeper::end_given(const std::string& path, std::uint64_t size_bytes, std::uint64_t modified) {
    if (work_) {
        work_->note_given(path, {size_bytes, modified});
    }
}

void Keeper::begin(Result<UniqueFd> changes) {
    busy_ = true;
    work_->cancelled = false;
    work_->done = changes && work_->bare && work_->bare->is_same(changes->get());
    if (work_->done) {
        return;
    }
    run_in_background([work = work_, folder = std::make_shared<Result<UniqueFd>>(std::move(changes))] {
        work->look(*folder);
        work->tell();
    });
}

std::optional<Kept> Keeper::take() {
    if (!busy_ || !work_->done) {
        return std::nullopt;
    }
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t size = ::read(work_->event.get(), &count, sizeof count);
    busy_ = false;
    return std::exchange(work_->kept, {});
}

}  // namespace cellblock::sandbox::files
