// Both ends of a tunnel's TLS, in pieces: what a sandbox sends, and what a server answers.
#include "sandbox/network/tls_opening.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "tests/fuzz/must.h"

using namespace cellblock::sandbox;
using namespace cellblock::sandbox::network;

namespace {

constexpr std::uint8_t kOfServer = 0x80;

}  // namespace

// Each piece has a byte in front: whose it is, and its length.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    TlsOpening opening(*read_host("a.example"), 443, false);
    std::string sent;
    std::string passed;
    while (!rest.empty()) {
        const auto head = static_cast<std::uint8_t>(rest.front());
        rest.remove_prefix(1);
        const auto piece = rest.substr(0, std::min<std::size_t>(rest.size(), head & ~kOfServer));
        rest.remove_prefix(piece.size());
        sent += (head & kOfServer) == 0 ? piece : std::string_view();
        const auto step = (head & kOfServer) == 0 ? opening.from_client(piece) : opening.from_server(piece);
        must(step.fault.empty() || step.to_server.empty());
        passed += step.to_server;
        if (!step.fault.empty()) {
            break;
        }
    }
    must(std::string_view(sent).starts_with(passed));
    must(!opening.is_over() || passed == sent);
    if (!passed.empty()) {
        const auto seen = read_client_hello(passed);
        must(seen.kind == HelloSeen::Kind::named && read_host(seen.name) == read_host("a.example"));
    }
    return 0;
}
