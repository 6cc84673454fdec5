// The cleaner, from the host's side: who makes outputs inert, and how it is asked.
//
// Purpose: markup and trees of JSON that a sandbox sent are parsed in a process
// that has one socket and nothing else (no files, no network, no other process,
// bounded memory), so that a parser that loops, crashes or is taken over costs
// the one output that did it. cleaner_process() is that; cleaner_within() does
// the same work in this process, for unit tests alone.
// Ownership: owns its process. Threads: one. Failure: a task that can't be done
// is an Error, in words for the user; the next task finds a new process. Which
// comms are open is then forgotten: messages for them are refused.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include "sandbox/api/policy.h"
#include "sandbox/api/unique_fd.h"
#include "sandbox/outputs/cleaning.h"

namespace cellblock::sandbox {

class Cleaner {
public:
    using TimePoint = std::chrono::steady_clock::time_point;

    virtual ~Cleaner() = default;

    // One task at a time: the next one after take() gave the answer to this one.
    virtual void begin(const CleaningTask& task) = 0;
    // The answer. Nothing: not yet.
    virtual std::optional<Result<Cleaned>> take() = 0;
    // All comms are gone, and what was begun isn't wanted any more.
    virtual void stop() = 0;
    // True once after it ended without being asked to: which comms are open isn't known any more.
    virtual bool has_forgotten() = 0;

    // Readable when take() may have more to say; the same for as long as the Cleaner lives. -1: never.
    [[nodiscard]] virtual int poll_fd() const = 0;
    // When take() gives up.
    [[nodiscard]] virtual std::optional<TimePoint> due() const = 0;
};

struct CleanerStart {
    pid_t pid = -1;
    UniqueFd socket;
};

// `cellblock cleaner`, started when it is needed.
Result<CleanerStart> start_cleaner();

// `time`: for a task, and more for a long one.
std::unique_ptr<Cleaner> cleaner_process(const OutputRules& rules,
                                         std::function<Result<CleanerStart>()> start = start_cleaner,
                                         std::chrono::milliseconds time = std::chrono::seconds(4));
std::unique_ptr<Cleaner> cleaner_within(const OutputRules& rules);

// What a Session takes: cleaner_process(), or what a unit test has put in its place.
std::unique_ptr<Cleaner> make_cleaner(const OutputRules& rules);
using MakeCleaner = std::function<std::unique_ptr<Cleaner>(const OutputRules&)>;
// Before any Session is made.
void make_cleaners_by(MakeCleaner make);

}  // namespace cellblock::sandbox
