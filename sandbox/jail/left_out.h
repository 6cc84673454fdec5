// The user's files that a sandbox isn't shown, though a folder that holds them is.
//
// Purpose: a notebook often lies beside keys. Home folders, / and the system's folders are refused as a
// whole; of every other folder the entries whose names begin with a dot, and keys by their names, are left
// out, unless the policy names them. Ownership: plain values. Threads: pure; reads the host's folders.
// Failure: an Error with a remedy; then nothing is shown.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sandbox/api/result.h"

namespace cellblock::sandbox::jail {

// How deep below a shown folder keys are looked for, and among how many entries below the first level.
inline constexpr int kDeepestKey = 3;
inline constexpr std::size_t kMostLookedAt = 5000;
inline constexpr std::size_t kMostLeftOut = 512;

// Is `name` the name of a key, or of a folder that keeps keys? Upper and lower case are the same.
bool is_key_name(std::string_view name);
// Does the path lead to a key, or into a folder of keys, by its names?
bool is_key_path(std::string_view path);

// May the host's file or folder `real` be shown? `named` is what the policy calls it; `step` begins the
// Error.
Status may_be_shown(const std::string& real, bool is_folder, const std::string& named,
                    const std::string& step);

struct LeftOut {
    std::string path;  // below the folder
    bool is_file = false;
};

// The entries of the folder `real` that aren't shown, as the folder is now: first what lies in it, then what
// lies deeper.
Result<std::vector<LeftOut>> left_out_of(const std::string& real, const std::string& named,
                                         const std::string& step);

}  // namespace cellblock::sandbox::jail
