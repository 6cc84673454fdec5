// What the daemon is asked and what it answers: requests, plans, orders, sandboxes that are made and given.
#include <cstdint>
#include <string>
#include <string_view>

#include "sandbox/daemon/order.h"
#include "sandbox/daemon/request.h"
#include "sandbox/jail/cgroup.h"
#include "sandbox/jail/plan_bytes.h"
#include "sandbox/relay/spec.h"
#include "tests/fuzz/must.h"

using namespace cellblock::sandbox;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    if (const auto request = daemon::request_from(bytes)) {
        const auto again = daemon::request_from(daemon::to_bytes(*request));
        must(again.has_value() && daemon::key_of(*again, "") == daemon::key_of(*request, ""));
        must(daemon::family_of(*again, bytes) == daemon::family_of(*request, bytes));
    }
    if (const auto order = daemon::order_from(bytes)) {
        const auto again = daemon::order_from(daemon::to_bytes(*order));
        must(again.has_value() && daemon::to_bytes(*again) == daemon::to_bytes(*order));
        must(daemon::family_of(*again) == daemon::family_of(*order));
    }
    if (const auto parts = daemon::made_parts_from(bytes)) {
        (void)jail::Cgroup::from_bytes(parts->cgroup);
        (void)relay::spec_from(parts->spec);
    }
    if (const auto plan = jail::plan_from_bytes(bytes)) {
        const std::string copy = jail::plan_to_bytes(*plan);
        const auto again = jail::plan_from_bytes(copy);
        must(again != nullptr && jail::plan_to_bytes(*again) == copy);
    }
    if (const auto given = daemon::given_from(bytes)) {
        (void)jail::Cgroup::from_bytes(given->cgroup);
        (void)relay::spec_from(given->spec);
    }
    return 0;
}
