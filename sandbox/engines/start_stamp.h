// All on disk that a template's sandbox is made of, as one text.
//
// Purpose: a sandbox that was started ahead is given only while this text is the same: the files that it
// shows (by device and inode), those that it has a copy of (also by what was changed in them), the image, the
// engine's program and the worker's files. Ownership: plain values. Threads: no shared state; may run the
// template's `version`. Failure: an Error that a start would have too.
#pragma once

#include <string>

#include "sandbox/api/engine.h"
#include "sandbox/api/result.h"
#include "sandbox/engines/template.h"

namespace cellblock::sandbox {

Result<std::string> stamp_of_start(const EngineTemplate& from, const Policy& policy,
                                   const StartOptions& options, const std::string& worker_folder);

}  // namespace cellblock::sandbox
