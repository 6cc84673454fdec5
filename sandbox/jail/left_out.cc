// Names of keys, and a bounded look for them.
#include "sandbox/jail/left_out.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <filesystem>

#include "sandbox/base/text.h"
#include "sandbox/jail/path_chain.h"
#include "sandbox/jail/python_home.h"

namespace cellblock::sandbox::jail {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSystemFolders[] = {
    "/",     "/bin", "/boot", "/etc",     "/home",      "/lib",     "/lib32",     "/lib64",    "/libx32",
    "/root", "/run", "/sbin", "/tmp",     "/usr",       "/var",     "/var/cache", "/var/lib",  "/var/log",
    "/proc", "/sys", "/dev",  "/var/tmp", "/var/spool", "/var/run", "/usr/lib",   "/usr/local"};

// Folders of a home that hold little but keys and sessions.
constexpr std::string_view kKeyFolders[] = {
    ".ssh",     ".aws",         ".gnupg", ".kube", ".docker", ".azure", ".password-store",
    ".mozilla", ".thunderbird", ".pki",   ".oci",  ".gcloud"};
constexpr std::string_view kKeyNames[] = {
    ".config", ".local",  ".jupyter", ".env",         ".netrc",      "_netrc",           ".git-credentials",
    ".pypirc", ".npmrc",  ".pgpass",  ".my.cnf",      ".htpasswd",   ".dockercfg",       ".boto",
    ".s3cfg",  ".rhosts", ".envrc",   ".vault-token", "kaggle.json", "credentials.json", ".databrickscfg"};
constexpr std::string_view kKeyBeginnings[] = {"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", ".env."};
constexpr std::string_view kKeyEndings[] = {".pem", ".key", ".p12",      ".pfx",
                                            ".jks", ".ppk", ".keystore", ".kdbx"};

template <class List>
bool has(const List& list, std::string_view name) {
    return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

bool is_key_folder(std::string_view name) {
    return has(kKeyFolders, lower(name));
}

// "." and ".." are no names.
bool is_dot_name(std::string_view name) {
    return name.size() > 1 && name.front() == '.' && name != "..";
}

std::string last_part(std::string_view path) {
    while (path.size() > 1 && path.back() == '/') {
        path.remove_suffix(1);
    }
    return std::string(path.substr(path.rfind('/') + 1));
}

template <class Test>
bool any_part(std::string_view path, Test test) {
    for (const auto& part : fs::path(path)) {
        if (test(part.string())) {
            return true;
        }
    }
    return false;
}

// The policy's words themselves name something that would be left out.
bool is_named(std::string_view named) {
    const std::string last = last_part(named);
    return is_dot_name(last) || is_key_name(last) || any_part(named, &is_key_folder);
}

bool same_folder(const std::string& one, const std::string& other) {
    struct stat a {};
    struct stat b {};
    return ::stat(one.c_str(), &a) == 0 && ::stat(other.c_str(), &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

// Is it somebody's home, or what homes lie in? By another name too, as a bind mount gives it.
bool is_home(const std::string& real) {
    if (fs::path(real).parent_path() == "/home") {
        return true;
    }
    for (const auto& home : home_directories()) {
        if (home == "/") {  // as some service users have it, which tells nothing
            continue;
        }
        for (fs::path above = home; above.has_relative_path(); above = above.parent_path()) {
            if (above == real || same_folder(above.string(), real)) {
                return true;
            }
        }
    }
    return false;
}

struct Folder {
    std::string path;  // below the shown one; empty: that itself
    int depth = 0;
};

class Search {
public:
    explicit Search(std::string real) : real_(std::move(real)) {}

    // False where the shown folder itself can't be read.
    bool run() {
        folders_.push_back({});
        bool readable = true;
        while (!folders_.empty() && found_.size() <= kMostLeftOut) {
            const Folder folder = std::move(folders_.front());
            folders_.pop_front();
            if (!look_into(folder) && folder.depth == 0) {
                readable = false;
            }
        }
        return readable;
    }

    std::vector<LeftOut> take() { return std::move(found_); }

private:
    bool look_into(const Folder& folder) {
        std::error_code failed;
        fs::directory_iterator one(folder.path.empty() ? real_ : real_ + "/" + folder.path, failed);
        for (const fs::directory_iterator end; !failed && one != end; one.increment(failed)) {
            if (folder.depth > 0 && ++looked_at_ > kMostLookedAt) {
                folders_.clear();
                break;
            }
            see(folder, *one);
        }
        return !failed;
    }

    void see(const Folder& folder, const fs::directory_entry& entry) {
        std::error_code ignored;
        const std::string name = entry.path().filename().string();
        const auto type = entry.symlink_status(ignored).type();
        const bool is_folder = type == fs::file_type::directory;
        const std::string path = folder.path.empty() ? name : folder.path + "/" + name;
        if (is_key_name(name) || (folder.depth == 0 && is_dot_name(name))) {
            // A link shows nothing by itself: what it leads to is left out, or lies outside, or is shown
            // anyway.
            if (type != fs::file_type::symlink) {
                found_.push_back({path, !is_folder});
            }
        } else if (is_folder && folder.depth < kDeepestKey) {
            folders_.push_back({path, folder.depth + 1});
        }
    }

    std::string real_;
    std::deque<Folder> folders_;
    std::size_t looked_at_ = 0;
    std::vector<LeftOut> found_;
};

}  // namespace

bool is_key_name(std::string_view name) {
    const std::string small = lower(name);
    return has(kKeyFolders, small) || has(kKeyNames, small) ||
           std::any_of(std::begin(kKeyBeginnings), std::end(kKeyBeginnings),
                       [&](std::string_view start) { return small.starts_with(start); }) ||
           std::any_of(std::begin(kKeyEndings), std::end(kKeyEndings),
                       [&](std::string_view end) { return small.ends_with(end); });
}

bool is_key_path(std::string_view path) {
    return is_key_name(last_part(path)) || any_part(path, &is_key_folder);
}

Status may_be_shown(const std::string& real, bool is_folder, const std::string& named,
                    const std::string& step) {
    const std::string remedy =
        "Move the notebook into a folder of its own (for example ~/notebooks), or name the folders that "
        "cells "
        "need in the policy's \"files\"";
    if (is_folder && has(kSystemFolders, real)) {
        return Error{step, 0, real + " is a folder of the system, and is not shown to a sandbox as a whole",
                     remedy};
    }
    if (is_folder && is_home(real)) {
        return Error{step, 0,
                     real +
                         " is a home folder or holds some, and is not shown to a sandbox as a whole: keys "
                         "and private files lie in it",
                     remedy};
    }
    const bool is_key = any_part(real, &is_key_folder) || (!is_folder && is_key_name(last_part(real)));
    if (is_key && !is_named(named)) {
        return Error{step, 0,
                     real + " is a key or lies in a folder of keys, and the policy doesn't name it so",
                     "Name it by this path in the policy's \"files\" if cells are to read it"};
    }
    return Ok{};
}

Result<std::vector<LeftOut>> left_out_of(const std::string& real, const std::string& named,
                                         const std::string& step) {
    if (is_named(named)) {
        return std::vector<LeftOut>{};
    }
    Search search(real);
    if (!search.run()) {
        return Error{step, 0, "its entries can't be listed, so that keys in it could not be left out",
                     "Make the folder readable, or name the files that cells need"};
    }
    auto found = search.take();
    if (found.size() > kMostLeftOut) {
        return Error{step, 0,
                     "it holds more than " + std::to_string(kMostLeftOut) +
                         " entries that begin with a dot or are named as keys, which are not shown",
                     "Name a folder with fewer of them"};
    }
    return found;
}

}  // namespace cellblock::sandbox::jail
