// One kind of sandboxes.
#include "sandbox/pool/sandbox_kind.h"

#include <algorithm>

#include "sandbox/pool/protocol.h"

namespace cellblock::sandbox::pool {

namespace {

using namespace std::chrono_literals;

constexpr auto kDemand = 10s;  // claims of as long are likely to come again
constexpr int kMaxFailures = 3;
constexpr std::size_t kMostSpares = 256;  // whatever a client asks for

}  // namespace

bool SandboxKind::fails() const {
    return failures >= kMaxFailures;
}

void SandboxKind::failed(const std::string& reason) {
    ++failures;
    if (fails()) {
        refuse_all(reason);
    }
}

void SandboxKind::note_claim(Clock::time_point now) {
    used = now;
    failures = std::min(failures, kMaxFailures - 1);
    claims.push_back(now);
    while (claims.front() < now - kDemand) {
        claims.pop_front();
    }
}

std::size_t SandboxKind::target(Clock::time_point now) const {
    const auto recent =
        std::count_if(claims.begin(), claims.end(), [&](const auto& one) { return one > now - kDemand; });
    const auto wanted = std::max<std::size_t>(recipe.ready, static_cast<std::size_t>(recent));
    return fails() ? 0 : std::min<std::size_t>({wanted, recipe.most, kMostSpares});
}

void SandboxKind::refuse_all(const std::string& reason) {
    for (const auto& one : waiting) {
        (void)send_message(one.client.get(), kRefused + reason);
    }
    waiting.clear();
}

}  // namespace cellblock::sandbox::pool
