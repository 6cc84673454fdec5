// Bounds how many stream messages a client gets: text that comes in fast turns is merged.
//
// Purpose: front ends drop what comes too fast (Jupyter's server allows 1,000 messages a second), and a
// sandbox may send a frame for each letter. A text goes out at once while the budget lasts: a burst of kBurst
// messages, and kRate a second after it. Beyond the budget texts wait for some milliseconds. What waits keeps
// its order for the first kOrdered turns between streams; after these, a text joins the last one of its own
// stream. Nothing is lost. Use: add() each text, release() before anything else is published, release_due()
// at next(). Ownership: plain value; texts go to the sink. Threads: one. Failure: none.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

#include "sandbox/api/types.h"

namespace cellblock::kernel {

class StreamMerger {
public:
    using TimePoint = std::chrono::steady_clock::time_point;
    using Sink = std::function<void(const sandbox::StreamOutput&)>;

    static constexpr double kBurst = 100;
    static constexpr double kRate = 200;  // messages a second
    static constexpr std::size_t kOrdered = 4;
    static constexpr std::size_t kMostBytes = 64U << 10;  // that wait; more goes out at once
    static constexpr std::chrono::milliseconds kWait{20};

    explicit StreamMerger(Sink sink) : sink_(std::move(sink)) {}

    void add(sandbox::StreamOutput output, TimePoint now);
    void release(TimePoint now);
    void release_due(TimePoint now);
    // When release_due() will have something to do.
    [[nodiscard]] std::optional<TimePoint> next() const;

private:
    void earn(TimePoint now);
    sandbox::StreamOutput* place_for(const sandbox::StreamOutput& output);

    Sink sink_;
    double budget_ = kBurst;
    TimePoint counted_at_;
    std::vector<sandbox::StreamOutput> waiting_;
    std::size_t waiting_bytes_ = 0;
    TimePoint waits_since_;
};

}  // namespace cellblock::kernel
