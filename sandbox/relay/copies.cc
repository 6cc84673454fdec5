// Walking a folder, without following links.
#include "sandbox/relay/copies.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace cellblock::sandbox::relay {

namespace {

namespace fs = std::filesystem;

Error too_much(const std::string& host, std::uint64_t most) {
    return Error{
        "copy " + host + " into the sandbox", 0,
        "it has more than " + std::to_string(most >> 20) + " MiB, or more than " +
            std::to_string(kMostCopiedFiles) + " files",
        "Name a smaller folder in the policy's files, raise limits.disk, or use the native engine, which "
        "copies nothing"};
}

Status add_file(const fs::path& path, const std::string& name, std::uint64_t most, std::uint64_t& total,
                std::map<std::string, std::string>& entries) {
    std::error_code failed;
    const std::uint64_t size = fs::file_size(path, failed);
    if (failed || size > most - total) {
        return failed ? Error{"copy " + path.string(), failed.value(), {}, {}}
                      : too_much(path.string(), most);
    }
    std::string text(size, '\0');
    std::ifstream file(path, std::ios::binary);
    file.read(text.data(), static_cast<std::streamsize>(size));
    if (!file.is_open()) {
        return Error{"copy " + path.string(), 0, "it can't be read", {}};
    }
    text.resize(static_cast<std::size_t>(file.gcount()));  // it may have been cut meanwhile
    total += text.size();
    const auto mode = fs::status(path, failed).permissions();
    const bool runs = (mode & fs::perms::owner_exec) != fs::perms::none;
    entries[(runs ? "run/" : "copy/") + name] = std::move(text);
    return Ok{};
}

}  // namespace

Status add_copies(const Copy& copy, std::uint64_t most, std::map<std::string, std::string>& entries) {
    const std::string& host = copy.host;
    most = std::min(most, kMostCopied);
    std::uint64_t total = 0;
    std::size_t count = 0;
    std::error_code failed;
    fs::recursive_directory_iterator one(host, failed);
    for (const fs::recursive_directory_iterator end; !failed && one != end; one.increment(failed)) {
        if (++count > kMostCopiedFiles) {
            return too_much(host, most);
        }
        const std::string path = one->path().lexically_relative(host).string();
        if (copy.left_out.contains(path)) {
            one.disable_recursion_pending();
            continue;
        }
        const std::string name = (copy.inside.empty() ? "" : copy.inside + "/") + path;
        const auto kind = one->symlink_status(failed).type();
        if (kind == fs::file_type::symlink) {
            entries["link/" + name] = fs::read_symlink(one->path(), failed).string();
        } else if (kind == fs::file_type::regular) {
            if (auto added = add_file(one->path(), name, most, total, entries); !added) {
                return added;
            }
        }
    }
    return failed ? Status(Error{"copy " + host, failed.value(), {}, {}}) : Status(Ok{});
}

}  // namespace cellblock::sandbox::relay
