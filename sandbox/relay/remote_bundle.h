// Warden and worker for a sandbox that has nothing of ours, as bytes for a command's stdin.
//
// Purpose: a line of Python for the command, and the archive that this line reads. Ownership: plain values.
// Threads: none of its own. Failure: an Error where our own files can't be read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sandbox/api/policy.h"
#include "sandbox/api/result.h"
#include "sandbox/relay/copies.h"

namespace cellblock::sandbox::relay {

struct RemoteBundleOptions {
    std::string name;                // the sandbox's
    bool private_processes = true;   // all that it sees are the sandbox's
    bool watches_memory = false;     // nothing else bounds their sum
    bool counts_processes = false;   // nothing else bounds their number
    bool memory_is_limited = false;  // the sum, by a control group or the engine
    bool host_path = false;          // PATH as in a jail; else the image's own
    std::uint32_t connections = 0;   // to the proxy, that may be open at a time; 0: there is no proxy
    std::vector<Copy> copies = {};
};

struct RemoteBundle {
    std::string bootstrap;  // for python3 -c
    std::string program;    // for its stdin
};

Result<RemoteBundle> pack_remote_bundle(const Policy& policy, const RemoteBundleOptions& options);

}  // namespace cellblock::sandbox::relay
