// Cleaner: does the work of CleaningRules (cleaning.h) in a process of its own.
//
// Markup and JSON from a sandbox are parsed in `cellblock-helper cleaner`, a process that has one socket and
// nothing else: no files, no network, no other process, bounded memory. A parser that loops, crashes or is
// taken over costs the one output that did it.
//
//     auto cleaner = make_cleaner(policy.outputs);
//     cleaner->begin(std::move(task));
//     ... poll cleaner->poll_fd() until cleaner->due() ...
//     if (auto answer = cleaner->take()) { ... *answer is a Cleaned, or why there is none ... }
//
// A Cleaner owns its process, which starts with the first task. For one thread. The Error of an answer is for
// the user; the next task gets a new process, which has forgotten the open comms and refuses their messages.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include "sandbox/api/policy.h"
#include "sandbox/api/unique_fd.h"
#include "sandbox/outputs/cleaning_task.h"

namespace cellblock::sandbox {

class Cleaner {
public:
    using TimePoint = std::chrono::steady_clock::time_point;

    virtual ~Cleaner() = default;

    // Starts a task. The next task may begin when take() has given the answer to this one.
    virtual void begin(CleaningTask task) = 0;
    // The answer; nullopt: not yet.
    virtual std::optional<Result<Cleaned>> take() = 0;
    // Ends the process: all comms have ended, and the answer to a task isn't wanted any more.
    virtual void stop() = 0;
    // True once after the process ended without stop(): it has forgotten which comms are open.
    virtual bool has_forgotten() = 0;

    // Poll for reading, then call take(). The same descriptor as long as the Cleaner lives; -1: take()
    // answers at once.
    [[nodiscard]] virtual int poll_fd() const = 0;
    // When take() gives up.
    [[nodiscard]] virtual std::optional<TimePoint> due() const = 0;
};

struct CleanerStart {
    pid_t pid = -1;
    UniqueFd socket;
};

// Starts `cellblock-helper cleaner`. The caller owns the process and the socket to it.
Result<CleanerStart> start_cleaner();

// A cleaner that is a process. `time`: how long a task may take, beside 0.5 s for each MiB of the task.
std::unique_ptr<Cleaner> cleaner_process(const OutputRules& rules,
                                         std::function<Result<CleanerStart>()> start = start_cleaner,
                                         std::chrono::milliseconds time = std::chrono::seconds(4));

// The cleaner of a new Session: cleaner_process(), unless a unit test has set another by make_cleaners_by().
std::unique_ptr<Cleaner> make_cleaner(const OutputRules& rules);
using MakeCleaner = std::function<std::unique_ptr<Cleaner>(const OutputRules&)>;
// Call before any Session is made.
void make_cleaners_by(MakeCleaner make);

}  // namespace cellblock::sandbox
