// The values that a policy gives to a template's placeholders.
//
// Ownership: plain values. Threads: pure. Failure: none.
#pragma once

#include <string>

#include "sandbox/api/policy.h"
#include "sandbox/engines/fill.h"
#include "sandbox/engines/host_root.h"

namespace cellblock::sandbox {

// All values but those that only one start knows: the root, and what is run inside.
Values values_of(const Policy& policy, const EngineTemplate& from);

void add_start(const std::string& python, const std::string& bootstrap, Values& values);
void add_root(const HostRoot& root, Values& values);

}  // namespace cellblock::sandbox
