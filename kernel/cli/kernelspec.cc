#include "kernel/cli/kernelspec.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "sandbox/api/unique_fd.h"

namespace cellblock::kernel {

namespace {

using namespace sandbox;
namespace fs = std::filesystem;

constexpr const char* kProtocolVersion = "5.3";
constexpr const char* kTryElsewhere =
    "Choose a place that you may write to: your own by --user, any by --prefix";

Status write_all(int fd, const std::string& content, const std::string& step) {
    std::size_t done = 0;
    while (done < content.size()) {
        const ssize_t wrote = ::write(fd, content.data() + done, content.size() - done);
        if (wrote < 0 && errno != EINTR) {
            return errno_error(step);
        }
        done += wrote > 0 ? static_cast<std::size_t>(wrote) : 0;
    }
    return Ok{};
}

// Writes a file under another name and renames it, so that a reader sees either the old file or the new one.
Status replace_file(const fs::path& path, const std::string& content) {
    const std::string step = "write " + path.string();
    std::string temporary = path.string() + ".XXXXXX";
    const UniqueFd file(::mkostemp(temporary.data(), O_CLOEXEC));
    if (!file.valid()) {
        return errno_error(step, kTryElsewhere);
    }
    auto written = write_all(file.get(), content, step);
    if (written && (::fchmod(file.get(), 0644) != 0 || ::fsync(file.get()) != 0 ||
                    ::rename(temporary.c_str(), path.c_str()) != 0)) {
        written = errno_error(step, kTryElsewhere);
    }
    if (!written) {
        ::unlink(temporary.c_str());
    }
    return written;
}

}  // namespace

std::string kernelspec_text(const Kernelspec& spec) {
    const nlohmann::ordered_json out{
        {"argv",
         {spec.program, "kernel", "-f", "{connection_file}", "--policy", spec.policy, "--python",
          spec.python}},
        {"display_name", spec.display_name},
        {"language", "python"},
        {"interrupt_mode", "message"},
        {"kernel_protocol_version", kProtocolVersion},
        {"metadata",
         {{"debugger", spec.debugger}, {"supported_encryption", nlohmann::ordered_json::array({"curve"})}}}};
    return out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

bool is_kernel_name(const std::string& name) {
    const auto fits = [](char letter) {
        return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
               (letter >= '0' && letter <= '9') || letter == '-' || letter == '_' || letter == '.';
    };
    return !name.empty() && name.size() <= 128 && name.front() != '.' && name.front() != '-' &&
           std::all_of(name.begin(), name.end(), fits);
}

Result<std::string> user_kernels_folder(const Surroundings& surroundings) {
    if (!surroundings.jupyter_data_dir.empty()) {
        return (fs::path(surroundings.jupyter_data_dir) / "kernels").string();
    }
    if (!surroundings.xdg_data_home.empty()) {
        return (fs::path(surroundings.xdg_data_home) / "jupyter" / "kernels").string();
    }
    if (surroundings.home.empty()) {
        return Error{"--user", 0, "HOME is not set, so your Jupyter folder is not known", "Use --prefix"};
    }
    return (fs::path(surroundings.home) / ".local" / "share" / "jupyter" / "kernels").string();
}

std::string kernels_folder_of(const std::string& prefix) {
    return (fs::path(prefix) / "share" / "jupyter" / "kernels").lexically_normal().string();
}

Status write_spec(const std::string& folder, const std::vector<SpecFile>& files) {
    std::error_code failed;
    fs::create_directories(folder, failed);
    if (failed) {
        return Error{"make " + folder, failed.value(), {}, kTryElsewhere};
    }
    for (const auto& file : files) {
        if (auto done = replace_file(fs::path(folder) / file.name, file.content); !done) {
            return done;
        }
    }
    return Ok{};
}

}  // namespace cellblock::kernel
