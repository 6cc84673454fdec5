// A plan as bytes, for a warm Python's fork in another process to carry out.
//
// Purpose: the host decides, the fork only reads. `box` and what belongs to it
// is left out: a jail without namespaces always starts cold.
// Ownership: plain values. Threads: pure. Failure: null for bytes that are no plan.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "sandbox/jail/plan.h"

namespace cellblock::sandbox::jail {

// The most that a plan may be; a real one has some 20 KiB.
inline constexpr std::size_t kMaxPlanBytes = 4U << 20;

std::string plan_to_bytes(const JailPlan& plan);
std::unique_ptr<JailPlan> plan_from_bytes(std::string_view bytes);

// The bytes of a file in memory, by its descriptor; empty: nothing, too much, or the file can't be read.
std::string plan_bytes_in(int fd);

}  // namespace cellblock::sandbox::jail
