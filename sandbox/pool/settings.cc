// The daemon's settings.
#include "sandbox/pool/settings.h"

#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "sandbox/base/machine.h"
#include "sandbox/base/resources.h"
#include "sandbox/policy/document.h"
#include "sandbox/policy/key_values.h"

namespace cellblock::sandbox::pool {

namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr std::uint64_t kMiB = 1024ULL * 1024;
constexpr std::uint32_t kMostSandboxes = 100'000;
constexpr std::uint64_t kUsualPercent = 80;

template <class T>
Status assign(Result<T> read, T& member) {
    CELLBLOCK_ASSIGN_OR_RETURN(member, std::move(read));
    return Ok{};
}

// "80%", or a size.
Result<std::uint64_t> read_memory(const json& value) {
    CELLBLOCK_ASSIGN_OR_RETURN(const auto share, read_share("memory", value));
    return share ? static_cast<std::uint64_t>(*share * static_cast<double>(machine_memory().total))
                 : read_size("memory", value, 16 * kMiB, 1024 * 1024 * kMiB);
}

Status read_key(const std::string& key, const json& value, Settings& settings) {
    if (key == "sandboxes") {
        return assign(read_count(key, value, 1, kMostSandboxes), settings.sandboxes);
    }
    if (key == "memory") {
        return assign(read_memory(value), settings.memory_bytes);
    }
    if (key == "idle") {
        return assign(read_duration(key, value, 1s, 24h), settings.idle);
    }
    const std::string near = nearest(key, {"sandboxes", "memory", "idle"});
    return Error{key, 0, "there is no such key" + (near.empty() ? "" : "; did you mean \"" + near + "\"?"),
                 "The keys are sandboxes, memory and idle"};
}

}  // namespace

std::string settings_path() {
    const std::string folder = config_directory();
    return folder.empty() ? folder : folder + "/daemon.json";
}

Result<Settings> load_settings() {
    Settings settings;
    settings.memory_bytes = machine_memory().total / 100 * kUsualPercent;
    settings.idle = 30min;
    const std::string path = settings_path();
    if (path.empty() || ::access(path.c_str(), F_OK) != 0) {
        return settings;
    }
    CELLBLOCK_ASSIGN_OR_RETURN(const auto text, read_document(path, "read " + path));
    const auto read = parse_policy_document(text);
    if (!read) {
        Error error = read.error();
        error.step = "read " + path;
        return error;
    }
    for (const auto& [key, value] : read->items()) {
        if (auto status = read_key(key, value, settings); !status) {
            Error error = status.error();
            error.step = path + ": " + error.step;
            return error;
        }
    }
    return settings;
}

}  // namespace cellblock::sandbox::pool
