// Asking one after another.
#include "sandbox/engines/first_usable.h"

namespace cellblock::sandbox {

namespace {

// A sandbox that is there already.
class ReadySandbox : public PendingSandbox {
public:
    explicit ReadySandbox(std::unique_ptr<Sandbox> sandbox) : sandbox_(std::move(sandbox)) {}
    [[nodiscard]] int poll_fd() const override { return -1; }
    [[nodiscard]] std::chrono::steady_clock::time_point deadline() const override { return {}; }
    std::optional<Result<std::unique_ptr<Sandbox>>> take() override { return std::move(sandbox_); }
    Result<std::unique_ptr<Sandbox>> give_up() override { return std::move(sandbox_); }
    std::optional<Result<std::unique_ptr<Sandbox>>> start_anew(const std::string&) override { return {}; }

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
    CELLBLOCK_ASSIGN_OR_RETURN(auto pending, begin(policy, options));
    return pending ? wait_for(*pending) : engines_[at_]->start(policy, options);
}

Result<std::unique_ptr<PendingSandbox>> FirstUsable::begin(const Policy& policy,
                                                           const StartOptions& options) {
    if (!found_) {
        if (auto ready = engines_.front()->take_ready(policy, options); ready != nullptr) {
            found_ = true;
            return std::unique_ptr<PendingSandbox>(std::make_unique<ReadySandbox>(std::move(ready)));
        }
    }
    CELLBLOCK_RETURN_IF_ERROR(check(policy));
    return engines_[at_]->begin(policy, options);
}

}  // namespace cellblock::sandbox
