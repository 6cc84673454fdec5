// Asking one after another.
#include "sandbox/engines/first_usable.h"

namespace cellblock::sandbox {

namespace {

// One that need not be waited for.
class Arrived : public Coming {
public:
    explicit Arrived(std::unique_ptr<Sandbox> sandbox) : sandbox_(std::move(sandbox)) {}
    [[nodiscard]] int fd() const override { return -1; }
    [[nodiscard]] std::chrono::steady_clock::time_point due() const override { return {}; }
    std::optional<Result<std::unique_ptr<Sandbox>>> take() override { return std::move(sandbox_); }
    Result<std::unique_ptr<Sandbox>> instead() override { return std::move(sandbox_); }

private:
    std::unique_ptr<Sandbox> sandbox_;
};

}  // namespace

Status FirstUsable::check(const Policy& policy) {
    std::string reasons;
    for (std::size_t i = 0; i < engines_.size() && !found_; ++i) {
        const auto usable = engines_[i]->check(policy);
        found_ = usable.ok();
        at_ = found_ ? i : at_;
        reasons += found_ ? "" : (reasons.empty() ? "" : " | ") + usable.error().text();
    }
    return found_ ? Status(Ok{})
                  : Error{"choose an engine", 0, "none of the policy's is usable: " + reasons, {}};
}

Result<std::unique_ptr<Sandbox>> FirstUsable::start(const Policy& policy, const StartOptions& options) {
    auto coming = begin(policy, options);
    if (!coming) {
        return coming.error();
    }
    return *coming ? arrival_of(**coming) : engines_[at_]->start(policy, options);
}

Result<std::unique_ptr<Coming>> FirstUsable::begin(const Policy& policy, const StartOptions& options) {
    if (!found_) {
        if (auto ready = engines_.front()->take_ready(policy, options); ready != nullptr) {
            found_ = true;
            return std::unique_ptr<Coming>(std::make_unique<Arrived>(std::move(ready)));
        }
    }
    if (auto usable = check(policy); !usable) {
        return usable.error();
    }
    return engines_[at_]->begin(policy, options);
}

}  // namespace cellblock::sandbox
