// The host's files as another engine's root: what a jail shows of them.
//
// Purpose: the same list as the native engine's, for commands and bundles.
// Ownership: plain values; the folder for small files of its own is the caller's.
// Threads: none. Failure: an Error that names the policy's key.
#pragma once

#include <string>
#include <vector>

#include "sandbox/api/engine.h"
#include "sandbox/api/policy.h"
#include "sandbox/api/result.h"
#include "sandbox/jail/plan.h"
#include "sandbox/jail/python_home.h"

namespace cellblock::sandbox {

struct HostRoot {
    struct Bind {
        std::string host;
        std::string sandbox;
    };
    struct Link {
        std::string text;
        std::string path;
    };
    std::vector<Bind> binds;  // read-only, outer folders first
    std::vector<Link> links;
};

// The steps that show the host's files, as a jail would take them.
Result<std::vector<jail::FileStep>> host_steps(const Policy& policy, const StartOptions& options,
                                               const jail::PythonHome& python);
// `folder` takes the files that the host doesn't have: /etc/passwd and such.
Result<HostRoot> host_root(const Policy& policy, const StartOptions& options, const jail::PythonHome& python,
                           const std::string& folder);

// The steps for the policy's `files` alone: those that are shown, or those that cells get a copy of
// (`overlay`).
Result<std::vector<jail::FileStep>> shown_files(const Policy& policy, const StartOptions& options);
Result<std::vector<jail::FileStep>> copied_files(const Policy& policy, const StartOptions& options);
// The shown ones as binds; `folder` takes the empty files and folders that cover what isn't to be seen in
// them.
Result<HostRoot> root_of_shown(const std::vector<jail::FileStep>& shown, const std::string& folder);

// A new folder of that name in the temporary directory, for all to look into.
Result<std::string> make_folder(const std::string& name);

}  // namespace cellblock::sandbox
