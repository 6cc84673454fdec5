// The frames between the host and `cellblock-helper cleaner`.
//
// The host sends `rules` once, then a task at a time; the cleaner answers each task with a `cleaned` frame.
// Both sides check what they read (channel/frame.h), because what the cleaner reads may have taken it over.
// Pure functions; contents are moved, not copied. An Error means a frame that isn't one of these.
#pragma once

#include "sandbox/api/policy.h"
#include "sandbox/channel/frame.h"
#include "sandbox/outputs/cleaning_task.h"

namespace cellblock::sandbox {

inline constexpr FrameBounds kCleanerBounds{1U << 20, 256, 256U << 20, 512U << 20, 4, 10'000};

std::string encode_rules(const OutputRules& rules);
Result<OutputRules> decode_rules(const Frame& frame);

OutgoingFrame encode_task(CleaningTask task);
Result<CleaningTask> decode_task(Frame frame);

OutgoingFrame encode_cleaned(Cleaned cleaned);
// Checks too that texts are UTF-8 and that JSON is well-formed.
Result<Cleaned> decode_cleaned(Frame frame);

}  // namespace cellblock::sandbox
