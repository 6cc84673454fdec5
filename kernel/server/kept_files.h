// The files of a cell's outcome as JSON: the same words in a reply's metadata and in `cellblock run --json`.
//
// Pure functions.
#pragma once

#include <nlohmann/json.hpp>

#include "sandbox/api/types.h"

namespace cellblock::kernel {

// [{"name", "path", "size", "mime", "sha256"}, …] as KeptFile has them.
nlohmann::json kept_files(const sandbox::Outcome& outcome);
// [{"name", "reason"}, …] as FileNotKept has them.
nlohmann::json files_not_kept(const sandbox::Outcome& outcome);

}  // namespace cellblock::kernel
