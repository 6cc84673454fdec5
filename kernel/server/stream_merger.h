// Bounds how many stream messages a client gets, by merging texts that come in fast turns.
//
// Purpose: front ends drop what comes too fast (Jupyter's server allows 1,000 messages a second), and a
// sandbox may send a frame for each letter. A text goes out at once while the budget lasts: a burst of kBurst
// messages, and kRate a second after it. Beyond the budget texts wait some milliseconds. The first kOrdered
// turns between streams keep their order; after these a text joins the last waiting text of its own stream.
// Nothing is lost.
//
//     merger.add(output, now);   // each text
//     merger.release(now);       // before anything else is published
//     merger.release_due(now);   // at next()
//
// A plain value; texts go to the sink. One thread; nothing fails.
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
    static constexpr std::size_t kMostBytes = 64U << 10;  // of waiting text; beyond it all goes out at once
    static constexpr std::chrono::milliseconds kWait{20};

    explicit StreamMerger(Sink sink) : sink_(std::move(sink)) {}

    void add(sandbox::StreamOutput output, TimePoint now);
    void release(TimePoint now);
    void release_due(TimePoint now);
    // When release_due() is due; nothing while no text waits.
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
