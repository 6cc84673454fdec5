// What a host answers by the network's broker: its head, and a secret that it says back, in whatever pieces
// they come.
#include <cstdint>
#include <string>
#include <string_view>

#include "sandbox/network/http_response.h"
#include "sandbox/network/inspection.h"
#include "sandbox/policy/host_rules.h"
#include "tests/fuzz/must.h"

using namespace cellblock::sandbox;
using namespace cellblock::sandbox::network;

namespace {

constexpr std::string_view kSecret = "aabaac";

struct Passed {
    std::string text;
    bool good = true;
};

// In pieces of this size.
Passed pass(std::string_view bytes, std::size_t size) {
    LastResponse response;
    SecretCover cover({std::string(kSecret)});
    Passed passed;
    for (std::size_t at = 0; at < bytes.size() && passed.good; at += size) {
        const auto part = response.pass(bytes.substr(at, size));
        passed.good = part.has_value();
        passed.text += cover.pass(part.value_or(""));
    }
    passed.text += cover.end();
    must(passed.text.find(kSecret) == std::string::npos);
    return passed;
}

void check_path(std::string_view target) {
    const auto path = plain_path(target);
    must(!path || (path->starts_with('/') && target.starts_with(*path) &&
                   path->find("/../") == std::string_view::npos &&
                   path->find("//") == std::string_view::npos && !path->ends_with("/..")));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto whole = pass(bytes, size + 1);
    const auto slow = pass(bytes, 1 + size % 7);
    must(whole.good == slow.good && (!whole.good || whole.text == slow.text));
    check_path(bytes);
    return 0;
}
