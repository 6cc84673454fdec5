// A policy's text. What is understood must read back to the same.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "sandbox/api/policy.h"

using namespace cellblock::sandbox;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    const auto policy = parse_policy(text, "fuzz");
    if (!policy) {
        if (policy.error().text().empty()) {
            std::abort();
        }
        return 0;
    }
    const std::string shown = policy_to_json(*policy);
    const auto again = parse_policy(shown, "fuzz");
    if (!again || policy_to_json(*again) != shown) {
        std::abort();
    }
    return 0;
}
