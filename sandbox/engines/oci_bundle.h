// An OCI bundle: a folder with config.json and a root filesystem.
//
// Purpose: for any OCI runtime (runc, crun, runsc, youki): the host's files as a jail shows them, or a
// folder that is an image, with all walls that the specification has. Ownership: the folder is the caller's.
// Threads: none of its own. Failure: an Error that names what couldn't be written.
#pragma once

#include <string>
#include <vector>

#include "sandbox/api/policy.h"
#include "sandbox/api/result.h"
#include "sandbox/engines/host_root.h"
#include "sandbox/jail/identity.h"

namespace cellblock::sandbox {

struct BundleFacts {
    std::string folder;
    std::string image;  // a folder that is the root; empty: one is made of `root`
    HostRoot root;
    jail::Identity identity;
    std::vector<std::string> arguments;
};

Status write_bundle(const BundleFacts& facts, const Policy& policy);

// Control groups that a runtime makes for a container of that name, besides those below ours. A runtime that
// was killed while it made these doesn't remove them itself.
std::vector<std::string> groups_of_runtime(const std::string& name);

// The native engine's list of system calls in the runtimes' format, as JSON text.
std::string seccomp_profile();

}  // namespace cellblock::sandbox
