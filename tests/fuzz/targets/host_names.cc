// Names of hosts and rules about them: of a sandbox's requests, and of a policy.
#include <cstdint>
#include <string_view>

#include "sandbox/policy/host_rules.h"
#include "tests/fuzz/must.h"

using namespace cellblock::sandbox;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    if (const auto host = read_host(bytes)) {
        must(host->text.size() <= 253 && read_host(host->text) == host);
    }
    if (const auto place = read_host_and_port(bytes, 0)) {
        const auto again = read_host_and_port(text_of(place->host, place->port), 0);
        must(again && again->host == place->host && again->port == place->port);
    }
    if (const auto rule = read_host_rule(bytes)) {
        must(rule->below || read_host(rule->host)->text == rule->host);
    }
    return 0;
}
