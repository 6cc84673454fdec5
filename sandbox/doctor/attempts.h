// The escapes that `cellblock doctor` tries from inside a sandbox.
//
// Purpose: one list; each entry is a small attack as the body of a Python
// function. It returns what it reached, or it raises: then it was stopped, and
// the exception says by what. It may use what the prologue defines. All are
// harmless where they succeed: wrong arguments on purpose, own files, own limits.
// Ownership, threads: constants.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "sandbox/api/layers.h"

namespace cellblock::sandbox::doctor {

struct Attempt {
    const char* id;     // for machines, never reused
    const char* group;  // a layer's name, or what else is promised: "disk" (by the root), "host", "deadline"
    const char* tried;  // in words, after "it tried to"
    const char* code;
    // How else a stopped cell may end: killed or timed out.
    bool may_end_it = false;
};

std::span<const Attempt> attempts();

// Defines call, probe, Stopped, Skipped, report and `host`, which is given as JSON.
std::string prologue(const std::string& host_json);

// The attempt as a cell. It prints one line of JSON: {"outcome", "what"}.
std::string cell_of(const Attempt& attempt);

}  // namespace cellblock::sandbox::doctor
