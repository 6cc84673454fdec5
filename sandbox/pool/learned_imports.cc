// imports.json: {"version": 1, "pythons": {program: {"last": day, "names": {name: [sessions, day]},
// "dropped": {name: [reason, day]}}}}
#include "sandbox/pool/learned_imports.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "sandbox/api/unique_fd.h"
#include "sandbox/base/files.h"
#include "sandbox/base/resources.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/base/text.h"

namespace cellblock::sandbox::pool {

namespace {

using nlohmann::json;

constexpr int kVersion = 1;
constexpr std::size_t kMostPythons = 16;
constexpr std::size_t kMostNames = 64;
constexpr std::size_t kMostAhead = 32;
constexpr std::size_t kMostReason = 200;
constexpr std::size_t kMostFile = 1U << 20;
constexpr std::uint32_t kMostSessions = 1'000'000;
constexpr std::int64_t kUnused = 30;  // days
constexpr std::int64_t kTriedIn = 7;  // days

std::int64_t day_now() {
    return std::time(nullptr) / 86400;
}

// The one that was used least lately goes.
template <class Map, class Day>
void keep_most(Map& map, std::size_t most, Day day) {
    while (map.size() > most) {
        map.erase(std::min_element(map.begin(), map.end(), [&](const auto& one, const auto& other) {
            return day(one.second) < day(other.second);
        }));
    }
}

bool is_pair(const json& value) {
    return value.is_array() && value.size() == 2 && value[1].is_number_integer();
}

}  // namespace

std::string learned_imports_path() {
    const std::string folder = cache_directory();
    return folder.empty() ? folder : folder + "/imports.json";
}

LearnedImports::LearnedImports(std::string path, std::int64_t (*today)())
    : path_(std::move(path)), today_(today != nullptr ? today : &day_now) {
    load();
}

void LearnedImports::load() {
    struct stat info {};
    if (path_.empty() || ::lstat(path_.c_str(), &info) != 0 || !S_ISREG(info.st_mode) ||
        info.st_size > static_cast<off_t>(kMostFile)) {
        return;
    }
    const json all = json::parse(file_text(path_), nullptr, false);
    if (!all.is_object() || all.value("version", json()) != kVersion || !all.contains("pythons") ||
        !all["pythons"].is_object()) {
        return;
    }
    for (const auto& [program, told] : all["pythons"].items()) {
        if (!told.is_object()) {
            continue;
        }
        Python& python = pythons_[program];
        const json names = told.value("names", json::object());
        const json dropped = told.value("dropped", json::object());
        for (const auto& [name, value] : names.items()) {
            if (is_dotted_python_name(name) && is_pair(value) && value[0].is_number_unsigned()) {
                python.names[name] = {static_cast<std::uint32_t>(std::min<std::uint64_t>(
                                          value[0].get<std::uint64_t>(), kMostSessions)),
                                      value[1].get<std::int64_t>()};
                python.last = std::max(python.last, python.names[name].last);
            }
        }
        for (const auto& [name, value] : dropped.items()) {
            if (is_dotted_python_name(name) && is_pair(value) && value[0].is_string()) {
                python.dropped[name] = {value[0].get<std::string>().substr(0, kMostReason),
                                        value[1].get<std::int64_t>()};
            }
        }
    }
    forget_old();
}

// A day in the future, since the clock was set back, becomes today. Else a module that failed once would not
// be tried before that day, and the names of that day would displace all later ones.
void LearnedImports::forget_old() {
    const std::int64_t now = today_();
    for (auto& [program, python] : pythons_) {
        python.last = std::min(python.last, now);
        for (auto& [name, one] : python.names) {
            one.last = std::min(one.last, now);
        }
        for (auto& [name, one] : python.dropped) {
            one.day = std::min(one.day, now);
        }
        std::erase_if(python.names, [&](const auto& one) { return now - one.second.last > kUnused; });
        std::erase_if(python.dropped, [&](const auto& one) { return now - one.second.day > kTriedIn; });
        keep_most(python.names, kMostNames,
                  [](const Name& name) { return std::pair(name.last, name.sessions); });
        keep_most(python.dropped, kMostNames, [](const Dropped& name) { return name.day; });
    }
    keep_most(pythons_, kMostPythons, [](const Python& python) { return python.last; });
}

void LearnedImports::note(const std::string& python, const std::vector<std::string>& names) {
    Python& known = pythons_[python];
    known.last = today_();
    for (const auto& name : names) {
        if (is_dotted_python_name(name)) {
            Name& one = known.names[name];
            one.sessions = std::min(one.sessions + 1, kMostSessions);
            one.last = known.last;
        }
    }
    forget_old();
    save();
}

void LearnedImports::drop(const std::string& python, const std::string& name, const std::string& reason) {
    if (is_dotted_python_name(name)) {
        pythons_[python].dropped[name] = {reason.substr(0, kMostReason), today_()};
        forget_old();
        save();
    }
}

std::vector<std::string> LearnedImports::names_for(const std::string& python) const {
    const auto found = pythons_.find(python);
    std::vector<std::string> names;
    if (found == pythons_.end()) {
        return names;
    }
    const Python& known = found->second;
    for (const auto& [name, one] : known.names) {
        const auto dropped = known.dropped.find(name);
        if (dropped == known.dropped.end() || today_() - dropped->second.day > kTriedIn) {
            names.push_back(name);
        }
    }
    std::stable_sort(names.begin(), names.end(), [&](const std::string& one, const std::string& other) {
        return known.names.at(one).sessions > known.names.at(other).sessions;
    });
    names.resize(std::min(names.size(), kMostAhead));
    return names;
}

std::map<std::string, std::string> LearnedImports::dropped(const std::string& python) const {
    std::map<std::string, std::string> all;
    if (const auto found = pythons_.find(python); found != pythons_.end()) {
        for (const auto& [name, one] : found->second.dropped) {
            all[name] = one.reason;
        }
    }
    return all;
}

void LearnedImports::save() const {
    if (path_.empty()) {
        return;
    }
    json all{{"version", kVersion}, {"pythons", json::object()}};
    for (const auto& [program, python] : pythons_) {
        json& told = all["pythons"][program];
        told = {{"names", json::object()}, {"dropped", json::object()}};
        for (const auto& [name, one] : python.names) {
            told["names"][name] = {one.sessions, one.last};
        }
        for (const auto& [name, one] : python.dropped) {
            told["dropped"][name] = {one.reason, one.day};
        }
    }
    const std::string text = all.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
    if (!make_folders(std::filesystem::path(path_).parent_path(), 2)) {
        return;
    }
    const std::string fresh = path_ + "." + std::to_string(::getpid());
    const UniqueFd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file.valid() || !write_all(file.get(), text.data(), text.size()) ||
        std::rename(fresh.c_str(), path_.c_str()) != 0) {
        ::unlink(fresh.c_str());
    }
}

}  // namespace cellblock::sandbox::pool
