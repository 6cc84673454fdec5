// Owners and modes of files.
#include "sandbox/daemon/trust.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace cellblock::sandbox::daemon {

namespace {

// Its owner decides what runs there: that must be us or root.
Status owned_by_friends(std::filesystem::path path) {
    for (;; path = path.parent_path()) {
        struct stat info {};
        if (::stat(path.c_str(), &info) != 0) {
            return errno_error("look at " + path.string());
        }
        const bool sticky = (info.st_mode & S_ISVTX) != 0 && path != path.root_path();
        if ((info.st_uid != 0 && info.st_uid != ::geteuid()) || ((info.st_mode & S_IWOTH) != 0 && !sticky)) {
            return Error{
                "keep a Python warm",
                0,
                "others may change " + path.string() + ", and a warm Python runs outside of a sandbox",
                {}};
        }
        if (path == path.root_path()) {
            return Ok{};
        }
    }
}

}  // namespace

Status is_trusted(const ZygoteSpec& spec) {
    std::vector<std::string> paths = spec.prefixes;
    paths.push_back(spec.program);
    paths.push_back(spec.worker + "/zygote.py");
    paths.push_back(spec.library);
    for (const auto& path : paths) {
        std::error_code failed;
        for (const auto& one : {std::filesystem::path(path), std::filesystem::canonical(path, failed)}) {
            if (failed || !one.is_absolute()) {
                return Error{"keep a Python warm", 0, "there is no " + path, {}};
            }
            if (auto status = owned_by_friends(one); !status) {
                return status;
            }
        }
    }
    return Ok{};
}

}  // namespace cellblock::sandbox::daemon
