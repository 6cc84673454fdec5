#include "kernel/cli/session_policy.h"

#include <cerrno>
#include <filesystem>

#include "kernel/cli/policy_findings.h"

namespace cellblock::kernel {

using namespace sandbox;

namespace {

// One entry of `files`, mode read. `named`: PATH or PATH:INSIDE.
Status show_file(Policy& policy, const std::string& named) {
    constexpr std::size_t kMost = 64;
    const auto colon = named.rfind(":/");
    const bool is_placed = colon != std::string::npos && colon > 0;
    std::error_code failed;
    const auto path =
        std::filesystem::absolute(is_placed ? named.substr(0, colon) : named, failed).lexically_normal();
    const auto name = path.has_filename() ? path.filename() : path.parent_path().filename();
    const std::string inside =
        is_placed ? named.substr(colon + 1) : std::string(kWorkingDirectory) + "/" + name.string();
    if (failed || name.empty() || !std::filesystem::exists(path, failed)) {
        return Error{
            "--file " + named,
            failed ? failed.value() : ENOENT,
            {},
            "Give a file or a folder, and after a colon its path inside if you like: data.csv:/work/in.csv"};
    }
    if (policy.files.size() >= kMost) {
        return Error{"--file " + named, 0, "there are too many files", "Put them into one folder"};
    }
    policy.files.push_back(FileRule{path.string(), inside, FileMode::read});
    return Ok{};
}

}  // namespace

Result<Policy> session_policy(const std::string& command, const std::optional<std::string>& policy,
                              const std::optional<std::string>& python,
                              const std::vector<std::string>& inputs) {
    CELLBLOCK_ASSIGN_OR_RETURN(auto loaded, load_policy(policy.value_or("default")));
    print_notices("cellblock " + command + ": ", loaded);
    pass_time_zone(loaded);
    if (python) {
        loaded.python = *python;
    }
    for (const auto& named : inputs) {
        CELLBLOCK_RETURN_IF_ERROR(show_file(loaded, named));
    }
    return loaded;
}

Result<std::chrono::milliseconds> read_timeout(const std::string& text, bool may_be_none) {
    auto time = text == "0" && may_be_none ? Result<std::chrono::milliseconds>(std::chrono::milliseconds{0})
                                           : parse_duration(text);
    if (!time || time->count() < (may_be_none ? 0 : 1)) {
        return Error{"--timeout " + text, 0, time ? "must be above 0" : time.error().message,
                     "For example --timeout 30s"};
    }
    return time;
}

}  // namespace cellblock::kernel
