// A builder: pip in a jail of its own.
//
// Purpose: starts the native jail that fetches wheels (with the host's network,
// for nothing else) or unpacks one (with none). Neither sees the user's files,
// the store or what a session has; neither can make a process, so no setup.py
// runs; what they make comes out as frames alone.
// Ownership: the Sandbox is the caller's. Threads: one.
// Failure: an Error with a remedy; then nothing runs.
#pragma once

#include <memory>
#include <string>

#include "sandbox/api/engine.h"
#include "sandbox/packages/wheel.h"

namespace cellblock::sandbox {

Result<std::unique_ptr<Sandbox>> start_fetcher(const Policy& policy);

// `path`: the wheel's file on the host.
Result<std::unique_ptr<Sandbox>> start_unpacker(const Policy& policy, const WheelName& wheel,
                                                const std::string& path);

// The file of certificates that the host's environment names, if it names one.
std::string own_certificates();

}  // namespace cellblock::sandbox
