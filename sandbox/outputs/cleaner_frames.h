// What travels between a cleaner's process and its host, as frames.
//
// Purpose: a task and an answer to bytes and back, checked on both sides as all
// frames are (channel/frame.h): the cleaner may have been taken over by what it read.
// Ownership: plain values. Threads: pure. Failure: an Error.
#pragma once

#include "sandbox/api/policy.h"
#include "sandbox/channel/frame.h"
#include "sandbox/outputs/cleaning.h"

namespace cellblock::sandbox {

inline constexpr FrameBounds kCleanerBounds{1U << 20, 256, 256U << 20, 512U << 20, 4, 10'000};

std::string encode_rules(const OutputRules& rules);
Result<OutputRules> decode_rules(const Frame& frame);

std::string encode_task(const CleaningTask& task);
Result<CleaningTask> decode_task(Frame frame);

std::string encode_cleaned(const Cleaned& cleaned);
// Texts are UTF-8 and JSON is JSON, or it is an Error.
Result<Cleaned> decode_cleaned(Frame frame);

}  // namespace cellblock::sandbox
