// Looks a secret up, in the environment and in the user's folder.
#include "sandbox/network/secrets.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <optional>

#include "sandbox/api/unique_fd.h"
#include "sandbox/base/resources.h"

namespace cellblock::sandbox::network {

namespace {

constexpr std::size_t kMost = 8U << 10;
constexpr std::size_t kLeast = 8;  // a shorter one would stand in many answers by chance
constexpr mode_t kOthers = 077;

Error fault_of(const std::string& name, const std::string& what, std::string remedy) {
    return Error{"secret " + name, 0, what, std::move(remedy)};
}

// nullopt: there is no such file.
std::optional<Result<std::string>> read_file(const std::string& name, const std::string& path) {
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file.valid() && errno == ENOENT) {
        return std::nullopt;
    }
    struct stat info {};
    if (!file.valid() || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
        return fault_of(name, path + " can't be read as a file of its own",
                        "Put the value there, with chmod 600");
    }
    if (info.st_uid != ::geteuid() || (info.st_mode & kOthers) != 0) {
        return fault_of(name, path + " could be read or changed by others", "chmod 600 " + path);
    }
    std::array<char, kMost + 2> text{};
    const ssize_t size = ::read(file.get(), text.data(), text.size());
    if (size < 0) {
        return fault_of(name, path + " can't be read", {});
    }
    std::string value(text.data(), static_cast<std::size_t>(size));
    if (value.ends_with('\n')) {
        value.pop_back();
    }
    return value;
}

}  // namespace

Result<std::string> read_secret(const std::string& name) {
    const std::string folder = config_directory();
    const std::string path = folder.empty() ? "" : folder + "/secrets/" + name;
    const char* variable = std::getenv(name.c_str());
    std::string value = variable != nullptr ? variable : "";
    if (value.empty() && !path.empty()) {
        if (auto found = read_file(name, path); found) {
            CELLBLOCK_RETURN_IF_ERROR(*found);
            value = std::move(**found);
        }
    }
    if (value.empty()) {
        return fault_of(name, "it is nowhere on this host",
                        "Set the environment variable " + name + " where the kernel starts" +
                            (path.empty() ? "" : ", or write it to " + path + " (chmod 600)"));
    }
    // What else could end the header, or begin another one.
    const bool visible = std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c < 0x7f; });
    if (!visible || value.size() < kLeast || value.size() > kMost || value.front() == ' ' ||
        value.back() == ' ') {
        return fault_of(name, "it isn't one line of visible ASCII of 8 bytes to 8 KiB", {});
    }
    return value;
}

Result<std::map<std::string, std::string>> read_secrets(const NetworkRules& rules) {
    std::map<std::string, std::string> secrets;
    for (const auto& rule : rules.allow) {
        for (const auto& header : rule.headers) {
            CELLBLOCK_ASSIGN_OR_RETURN(secrets[header.secret], read_secret(header.secret));
        }
    }
    return secrets;
}

}  // namespace cellblock::sandbox::network
