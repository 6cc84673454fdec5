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

constexpr auto kMadeMembers = [](auto& parts, auto field) { field(parts.cgroup), field(parts.spec); };

}  // namespace

std::string to_bytes(const Order& order) {
    return members_to_bytes(order, kOrderMembers);
}

std::optional<Order> order_from(std::string_view bytes) {
    auto order = members_from_bytes<Order>(bytes, kOrderMembers);
    return order && !order->engine.empty() ? std::move(order) : std::nullopt;
}

std::string family_of(const Order& order) {
    Order rest = order;
    rest.template_file.clear();
    rest.template_text.clear();
    rest.stamp.clear();
    return sha256(to_bytes(rest));
}

std::string to_bytes(const MadeParts& parts) {
    return members_to_bytes(parts, kMadeMembers);
}

std::optional<MadeParts> made_parts_from(std::string_view bytes) {
    return members_from_bytes<MadeParts>(bytes, kMadeMembers);
}

}  // namespace cellblock::sandbox::pool
