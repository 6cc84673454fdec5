// Orders as bytes.
#include "sandbox/daemon/order.h"

#include "sandbox/base/bytes.h"
#include "sandbox/base/sha256.h"

namespace cellblock::sandbox::daemon {

namespace {

template <class Self, class Field>
void order_fields(Self& order, Field field) {
    field(order.engine), field(order.template_file), field(order.template_text), field(order.policy);
    field(order.directory), field(order.packages), field(order.environment), field(order.stamp);
}

template <class Self, class Field>
void made_fields(Self& parts, Field field) {
    field(parts.cgroup), field(parts.spec);
}

}  // namespace

std::string to_bytes(const Order& order) {
    ByteWriter out;
    order_fields(order, [&](const auto& value) { out.add(value); });
    return out.take();
}

std::optional<Order> order_from(std::string_view bytes) {
    Order order;
    ByteReader in(bytes);
    order_fields(order, [&](auto& value) { in.read(value); });
    return in.failed() || !in.at_end() || order.engine.empty() ? std::nullopt : std::optional(order);
}

std::string family_of(const Order& order) {
    Order rest = order;
    rest.template_file.clear();
    rest.template_text.clear();
    rest.stamp.clear();
    return sha256(to_bytes(rest));
}

std::string to_bytes(const MadeParts& parts) {
    ByteWriter out;
    made_fields(parts, [&](const auto& value) { out.add(value); });
    return out.take();
}

std::optional<MadeParts> made_parts_from(std::string_view bytes) {
    MadeParts parts;
    ByteReader in(bytes);
    made_fields(parts, [&](auto& value) { in.read(value); });
    return in.failed() || !in.at_end() ? std::nullopt : std::optional(parts);
}

}  // namespace cellblock::sandbox::daemon
