// The daemon's answers, and what follows from each.
#include "sandbox/engines/claimed_start.h"

#include <iostream>
#include <variant>

namespace cellblock::sandbox {

std::optional<Result<std::unique_ptr<Sandbox>>> ClaimedStart::take() {
    auto answer = claim_.take();
    if (!answer) {
        return std::nullopt;
    }
    if (const auto* none = std::get_if<pool::NoneMore>(&*answer)) {
        return none->error;
    }
    if (const auto* cold = std::get_if<pool::ColdStart>(&*answer)) {
        return go_cold(cold->reason);
    }
    return use(std::get<pool::GivenSandbox>(std::move(*answer)));
}

Result<std::unique_ptr<Sandbox>> ClaimedStart::instead() {
    return go_cold(pool::Claim::too_late().reason);
}

Result<std::unique_ptr<Sandbox>> ClaimedStart::go_cold(const std::string& reason) {
    std::cerr << "cellblock: a cold start: " << reason << "\n";
    return start_cold();
}

}  // namespace cellblock::sandbox
