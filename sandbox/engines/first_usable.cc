// Asking one after another.
#include "sandbox/engines/first_usable.h"

namespace cellblock::sandbox {

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
            return ready;
        }
    }
    CELLBLOCK_RETURN_IF_ERROR(check(policy));
    return engines_[at_]->begin(policy, options);
}

}  // namespace cellblock::sandbox
