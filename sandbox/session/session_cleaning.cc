// What a Session does while an output is being made inert.
#include <algorithm>
#include <iterator>
#include <utility>

#include "sandbox/session/session_impl.h"

namespace cellblock::sandbox {

void Session::Impl::add(std::vector<Event> events) {
    std::move(events.begin(), events.end(), std::back_inserter(events_));
}

void Session::Impl::clean(CleaningTask task, std::function<void(Result<Cleaned>)> then) {
    cleanings_.push_back({std::move(task), std::move(then)});
    if (cleanings_.size() == 1) {
        cleaner_->begin(std::exchange(cleanings_.front().task, {}));
    }
}

// The order in which things came is kept: while a task is with the cleaner, whatever comes waits behind it.
void Session::Impl::handle(HostEvent event) {
    if (cleanings_.empty() && held_.empty()) {
        return take(std::move(event));
    }
    if (const auto* message = std::get_if<WorkerMessage>(&event)) {
        const auto* end = std::get_if<CellFinished>(message);
        if (end != nullptr && runs(end->cell)) {
            current_->over = true;  // no deadline any more; take() judges the rest
        }
    }
    held_.push_back(std::move(event));
}

void Session::Impl::advance_cleaning() {
    while (!cleanings_.empty() || !held_.empty()) {
        if (cleanings_.empty()) {
            HostEvent event = std::move(held_.front());
            held_.pop_front();
            take(std::move(event));
            continue;
        }
        auto cleaned = cleaner_->take();
        if (!cleaned) {
            break;
        }
        if (cleaner_->has_forgotten()) {
            firewall_.comms_are_lost();
        }
        const auto then = std::move(cleanings_.front().then);
        cleanings_.pop_front();
        if (!cleanings_.empty()) {
            cleaner_->begin(std::exchange(cleanings_.front().task, {}));
        }
        if (*cleaned && !(*cleaned)->malformed.empty()) {
            host_.condemn((*cleaned)->malformed);
            // Whatever came behind it counts no more, the cell's end neither.
            std::erase_if(
                held_, [](const HostEvent& event) { return std::holds_alternative<WorkerMessage>(event); });
            if (current_) {
                current_->over = false;
            }
        } else {
            then(std::move(*cleaned));
        }
    }
    host_.hold(!cleanings_.empty());
}

// A worker's end waits behind outputs of the old one: until that is told, nothing is for the new one.
bool Session::Impl::next_worker_waits() const {
    return std::any_of(held_.begin(), held_.end(), [](const HostEvent& event) {
        return std::holds_alternative<WorkerGone>(event) || std::holds_alternative<Unavailable>(event);
    });
}

void Session::Impl::shutdown() {
    installer_.cancel();
    cleanings_.clear();
    held_.clear();
    cleaner_->stop();
    host_.shutdown();
}

}  // namespace cellblock::sandbox
