// SOCKS 5 that a sandbox writes to the network's broker.
#include <cstdint>
#include <string_view>

#include "sandbox/network/proxy_request.h"
#include "tests/fuzz/must.h"
#include "tests/fuzz/proxy_reading.h"

using namespace cellblock::sandbox::network;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    if (!bytes.starts_with('\x05')) {
        return -1;  // HTTP
    }
    const auto reading = read_both_ways(bytes);
    must(reading.replies.empty() || reading.replies.front() == '\x05');
    if (reading.step.kind == ProxyStep::Kind::asked) {
        must(reading.step.ask.kind == ProxyKind::socks && reading.step.ask.head.empty());
        must(reading.replies == std::string_view("\x05\x00", 2));
    }
    return 0;
}
