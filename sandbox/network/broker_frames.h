// The frames between a session and `cellblock-helper broker`.
//
// The session sends the broker its task once; the broker tells of each connection when it has ended. Who
// reads checks (channel/frame.h), because what the broker reads may have taken it over. Pure functions. An
// Error means a frame that isn't one of these.
#pragma once

#include <string>

#include "sandbox/api/policy.h"
#include "sandbox/api/types.h"
#include "sandbox/channel/frame.h"
#include "sandbox/network/broker.h"

namespace cellblock::sandbox::network {

inline constexpr FrameBounds kTaskBounds{1U << 20, 0, 0, 1U << 20, 3, 1'000};
inline constexpr FrameBounds kBrokerBounds{256U << 10, 0, 0, 256U << 10, 3, 1'000};

std::string encode_task(const BrokerTask& task);
Result<BrokerTask> decode_task(Frame frame);

std::string encode_connection(const ConnectionReport& report);
Result<ConnectionReport> decode_connection(Frame frame);

}  // namespace cellblock::sandbox::network
