// A cleaner without a process: the rules themselves.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "sandbox/outputs/cleaner.h"
#include "sandbox/outputs/cleaning.h"

namespace cellblock::testing {

class InnerCleaner : public sandbox::Cleaner {
public:
    explicit InnerCleaner(const sandbox::OutputRules& rules) : given_(rules), rules_(rules) {}
    void begin(sandbox::CleaningTask task) override { answer_ = rules_.clean(std::move(task)); }
    std::optional<sandbox::Result<sandbox::Cleaned>> take() override {
        if (!answer_) {
            return std::nullopt;
        }
        return sandbox::Result<sandbox::Cleaned>(*std::exchange(answer_, std::nullopt));
    }
    void stop() override {
        rules_ = sandbox::CleaningRules(given_);
        answer_.reset();
    }
    bool has_forgotten() override { return false; }
    [[nodiscard]] int poll_fd() const override { return -1; }
    [[nodiscard]] std::optional<TimePoint> due() const override { return std::nullopt; }

private:
    sandbox::OutputRules given_;
    sandbox::CleaningRules rules_;
    std::optional<sandbox::Cleaned> answer_;
};

inline std::unique_ptr<sandbox::Cleaner> cleaner_within(const sandbox::OutputRules& rules) {
    return std::make_unique<InnerCleaner>(rules);
}

}  // namespace cellblock::testing
