// Orders as bytes.
#include "sandbox/pool/launch_order.h"

#include "sandbox/base/bytes.h"
#include "sandbox/base/digests.h"

namespace cellblock::sandbox::pool {

namespace {

constexpr auto kOrderMembers = [](auto& order, auto field) {
    field(order.engine), field(order.template_file), field(order.template_text), field(order.policy);
    field(order.directory), field(order.packages), field(order.environment), field(order.stamp);
};

constexpr auto kReportMembers = [](auto& parts, auto field) { field(parts.cgroup), field(parts.spec); };

}  // namespace

std::string to_bytes(const LaunchOrder& order) {
    return members_to_bytes(order, kOrderMembers);
}

std::optional<LaunchOrder> launch_order_from(std::string_view bytes) {
    auto order = members_from_bytes<LaunchOrder>(bytes, kOrderMembers);
    return order && !order->engine.empty() ? std::move(order) : std::nullopt;
}

std::string family_of(const LaunchOrder& order) {
    LaunchOrder rest = order;
    rest.template_file.clear();
    rest.template_text.clear();
    rest.stamp.clear();
    return sha256(to_bytes(rest));
}

std::string to_bytes(const LaunchReport& parts) {
    return members_to_bytes(parts, kReportMembers);
}

std::optional<LaunchReport> launch_report_from(std::string_view bytes) {
    return members_from_bytes<LaunchReport>(bytes, kReportMembers);
}

}  // namespace cellblock::sandbox::pool
