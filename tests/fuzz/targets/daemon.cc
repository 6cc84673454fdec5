// What the daemon is asked and what it answers: requests, plans, launch orders and reports, sandboxes that
// are given.
#include <cstdint>
#include <string>
#include <string_view>

#include "sandbox/jail/cgroup.h"
#include "sandbox/jail/plan_bytes.h"
#include "sandbox/pool/launch_order.h"
#include "sandbox/pool/protocol.h"
#include "sandbox/relay/spec.h"
#include "tests/fuzz/must.h"

using namespace cellblock::sandbox;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    if (const auto request = pool::request_from(bytes)) {
        const auto again = pool::request_from(pool::to_bytes(*request));
        must(again.has_value() && pool::key_of(*again, "") == pool::key_of(*request, ""));
        must(pool::family_of(*again, bytes) == pool::family_of(*request, bytes));
    }
    if (const auto order = pool::launch_order_from(bytes)) {
        const auto again = pool::launch_order_from(pool::to_bytes(*order));
        must(again.has_value() && pool::to_bytes(*again) == pool::to_bytes(*order));
        must(pool::family_of(*again) == pool::family_of(*order));
    }
    if (const auto report = pool::launch_report_from(bytes)) {
        (void)jail::Cgroup::from_bytes(report->cgroup);
        (void)relay::spec_from(report->spec);
    }
    if (const auto plan = jail::plan_from_bytes(bytes)) {
        const std::string copy = jail::plan_to_bytes(*plan);
        const auto again = jail::plan_from_bytes(copy);
        must(again != nullptr && jail::plan_to_bytes(*again) == copy);
    }
    if (const auto given = pool::given_from(bytes)) {
        (void)jail::Cgroup::from_bytes(given->cgroup);
        (void)relay::spec_from(given->spec);
    }
    return 0;
}
