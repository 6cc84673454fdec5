#include "kernel/server/stream_merger.h"

#include <algorithm>
#include <utility>

namespace cellblock::kernel {

using sandbox::StreamOutput;

namespace {

bool same_stream(const StreamOutput& one, const StreamOutput& other) {
    return one.cell == other.cell && one.name == other.name;
}

}  // namespace

void StreamMerger::earn(TimePoint now) {
    const double seconds = std::chrono::duration<double>(now - counted_at_).count();
    budget_ = std::min(kBurst, budget_ + std::max(0.0, seconds) * kRate);
    counted_at_ = now;
}

// The waiting text that `output` joins, or nullptr if it has to wait as a text of its own.
StreamOutput* StreamMerger::place_for(const StreamOutput& output) {
    if (!waiting_.empty() && same_stream(waiting_.back(), output)) {
        return &waiting_.back();
    }
    if (waiting_.size() < kOrdered) {
        return nullptr;
    }
    const auto found = std::find_if(waiting_.rbegin(), waiting_.rend(),
                                    [&](const StreamOutput& one) { return same_stream(one, output); });
    return found == waiting_.rend() ? nullptr : &*found;
}

void StreamMerger::add(StreamOutput output, TimePoint now) {
    earn(now);
    if (waiting_.empty() && budget_ >= 1) {
        budget_ -= 1;
        return sink_(output);
    }
    if (waiting_.empty()) {
        waits_since_ = now;
    }
    waiting_bytes_ += output.text.size();
    if (StreamOutput* place = place_for(output)) {
        place->text += output.text;
    } else {
        waiting_.push_back(std::move(output));
    }
    if (waiting_bytes_ > kMostBytes) {
        release(now);
    }
}

void StreamMerger::release(TimePoint now) {
    if (waiting_.empty()) {
        return;
    }
    earn(now);
    budget_ = std::max(0.0, budget_ - static_cast<double>(waiting_.size()));
    waiting_bytes_ = 0;
    for (const auto& output : std::exchange(waiting_, {})) {
        sink_(output);
    }
}

std::optional<StreamMerger::TimePoint> StreamMerger::next() const {
    if (waiting_.empty()) {
        return std::nullopt;
    }
    const double missing = std::max(0.0, static_cast<double>(waiting_.size()) - budget_);
    const auto earned = counted_at_ + std::chrono::ceil<std::chrono::milliseconds>(
                                          std::chrono::duration<double>(missing / kRate));
    return std::max(waits_since_ + kWait, earned);
}

void StreamMerger::release_due(TimePoint now) {
    if (const auto due = next(); due && now >= *due) {
        release(now);
    }
}

}  // namespace cellblock::kernel
