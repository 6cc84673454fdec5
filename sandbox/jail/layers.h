// The layers of a jail that are in force on this host, and the mechanism behind each.
//
// Purpose: a limit that couldn't be had must be visible.
// Ownership: plain values. Threads: no shared state. Failure: none.
#pragma once

#include <vector>

#include "sandbox/api/layers.h"
#include "sandbox/jail/cgroup.h"
#include "sandbox/jail/plan.h"

namespace cellblock::sandbox::jail {

std::vector<LayerState> layers_of(const JailPlan& plan, const Cgroup& cgroup);

}  // namespace cellblock::sandbox::jail
