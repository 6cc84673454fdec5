// The store of digests.
#include "sandbox/files/kept_digests.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "sandbox/api/unique_fd.h"
#include "sandbox/base/files.h"
#include "sandbox/base/json_text.h"
#include "sandbox/base/syscalls.h"

namespace cellblock::sandbox::files {

namespace {

using nlohmann::json;

constexpr int kVersion = 1;
constexpr std::size_t kMostFiles = 4096;
constexpr std::size_t kMostText = 32U << 20;
constexpr std::size_t kDigestLength = 64;

}  // namespace

KeptDigests::KeptDigests(std::string path)
    : path_(std::move(path)), begin_(static_cast<std::int64_t>(std::time(nullptr))) {
    load();
}

std::optional<std::string> KeptDigests::find(const std::string& file) const {
    const auto found = kept_.find(file);
    return found != kept_.end() ? std::optional(found->second.digest) : std::nullopt;
}

void KeptDigests::note(const std::string& file, const std::string& digest) {
    kept_[file] = noted_[file] = {digest, static_cast<std::int64_t>(std::time(nullptr))};
}

void KeptDigests::load() {
    const UniqueFd file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    const std::string text = file.valid() ? file_text(file.get()) : std::string();
    const auto all = text.size() <= kMostText ? parse_json_object(text, {3, kMostFiles * 4}) : Error{};
    if (!all || all->value("version", json()) != kVersion || !all->value("files", json()).is_object()) {
        return;
    }
    for (const auto& [name, one] : (*all)["files"].items()) {
        if (one.is_array() && one.size() == 2 && one[0].is_string() && one[1].is_number_integer() &&
            one[0].get_ref<const std::string&>().size() == kDigestLength) {
            // After the clock was set back, a digest with a time in the future counts as older than all that
            // this session notes. Else such digests would displace every new one until the clock has passed
            // that time again.
            kept_[name] = {one[0].get<std::string>(), std::min(one[1].get<std::int64_t>(), begin_ - 1)};
        }
    }
}

void KeptDigests::drop_oldest() {
    if (kept_.size() <= kMostFiles) {
        return;
    }
    std::vector<std::pair<std::int64_t, std::string>> by_time;
    for (const auto& [name, one] : kept_) {
        by_time.emplace_back(one.time, name);
    }
    std::sort(by_time.begin(), by_time.end());
    by_time.resize(by_time.size() - kMostFiles);
    for (const auto& [time, name] : by_time) {
        kept_.erase(name);
    }
}

void KeptDigests::write() const {
    json all{{"version", kVersion}, {"files", json::object()}};
    for (const auto& [name, one] : kept_) {
        all["files"][name] = {one.digest, one.time};
    }
    const std::string text = all.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
    const std::string fresh = path_ + ".new";
    const UniqueFd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file.valid() || !write_all(file.get(), text.data(), text.size()) ||
        std::rename(fresh.c_str(), path_.c_str()) != 0) {
        ::unlink(fresh.c_str());
    }
}

void KeptDigests::save() {
    if (path_.empty() || noted_.empty()) {
        return;
    }
    std::error_code ignored;
    std::filesystem::create_directories(std::filesystem::path(path_).parent_path(), ignored);
    const UniqueFd lock(::open((path_ + ".lock").c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!lock.valid() || ::flock(lock.get(), LOCK_EX) != 0) {
        return;
    }
    load();
    for (const auto& [name, one] : std::exchange(noted_, {})) {
        kept_[name] = one;
    }
    drop_oldest();
    write();
}

}  // namespace cellblock::sandbox::files
