// Reading and writing a policy's values by their types: durations, sizes, numbers, texts.
//
// The rows of key_table.cc use these functions. `path` is the key's dotted path. JSON types are never
// converted: true is no number, and "128" is no count.
//
//     auto time = read_duration("limits.cell_time", value, 10ms, 240h);   // value: "90s"
//
// Pure functions. Each Error has the path as its step, and names the value that was found and what is
// allowed.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/api/policy.h"

namespace cellblock::sandbox {

inline constexpr std::uint64_t kKiB = 1024;
inline constexpr std::uint64_t kMiB = 1024 * kKiB;
inline constexpr std::uint64_t kGiB = 1024 * kMiB;
inline constexpr std::uint64_t kTiB = 1024 * kGiB;

// Puts a value that was read where it belongs, or passes the Error on.
template <class T>
Status store(Result<T> result, T& target) {
    if (!result) {
        return result.error();
    }
    target = std::move(*result);
    return Ok{};
}

// The Error "found X; allowed: Y".
Error wrong_value(const std::string& path, const nlohmann::json& found, const std::string& allowed);

Result<std::chrono::milliseconds> read_duration(const std::string& path, const nlohmann::json& value,
                                                std::chrono::milliseconds least,
                                                std::chrono::milliseconds most);
Result<std::uint64_t> read_size(const std::string& path, const nlohmann::json& value, std::uint64_t least,
                                std::uint64_t most);
Result<std::uint32_t> read_count(const std::string& path, const nlohmann::json& value, std::uint32_t least,
                                 std::uint32_t most);
Result<double> read_number(const std::string& path, const nlohmann::json& value, double least, double most);
// A share of something, "1%" to "100%" in whole percents: 0.01 to 1. nullopt: the value isn't written as a
// share.
Result<std::optional<double>> read_share(const std::string& path, const nlohmann::json& value);
Result<bool> read_flag(const std::string& path, const nlohmann::json& value);
Result<std::string> read_text(const std::string& path, const nlohmann::json& value, std::size_t most_bytes);

// A list of at most kMostEntries texts that are all good. `allowed` and `allowed_entry` tell what is allowed.
Result<std::vector<std::string>> read_names(const std::string& path, const nlohmann::json& value,
                                            bool (*is_good)(std::string_view), const char* allowed,
                                            const char* allowed_entry);
inline constexpr std::size_t kMostEntries = 64;
// The path of an entry of a list: "files[2]".
std::string entry(const std::string& path, std::size_t index);

// Write a value exactly, so that reading it gives the same value: "90s", "256MiB", "200MB".
std::string exact_duration(std::chrono::milliseconds value);
std::string exact_size(std::uint64_t bytes);
std::string exact_share(double share);

const char* name_of(HtmlRule rule);
const char* name_of(FileMode mode);

// Guess what was meant by "30", "5 min" or "512M": "30s", "5m", "512MiB". Empty if there is no good guess.
std::string meant_duration(std::string_view text);
std::string meant_size(std::string_view text);

// For "did you mean …": the candidate nearest to what was written; empty if none is near.
std::string nearest(const std::string& written, const std::vector<std::string>& candidates);

}  // namespace cellblock::sandbox
