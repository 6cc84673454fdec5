// What a sandbox writes to the network's broker: HTTP, SOCKS, a body in chunks, a TLS ClientHello, a host's
// name.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "sandbox/network/client_hello.h"
#include "sandbox/network/proxy_request.h"
#include "sandbox/policy/host_rules.h"
#include "tests/fuzz/must.h"

using namespace cellblock::sandbox;
using namespace cellblock::sandbox::network;

namespace {

ProxyStep read_in_pieces(std::string_view bytes, std::size_t piece, std::string& replies) {
    ProxyReader reader;
    ProxyStep step;
    while (!bytes.empty() && step.kind == ProxyStep::Kind::more) {
        const auto now = std::min(piece, bytes.size());
        step = reader.feed(bytes.substr(0, now));
        replies += step.reply;
        bytes.remove_prefix(now);
    }
    return step;
}

void read_request(std::string_view bytes) {
    std::string replies;
    const ProxyStep whole = read_in_pieces(bytes, bytes.size(), replies);
    std::string other_replies;
    const ProxyStep slow = read_in_pieces(bytes, 1, other_replies);
    if (whole.kind != ProxyStep::Kind::asked) {
        return;
    }
    must(slow.kind == ProxyStep::Kind::asked && slow.ask.host == whole.ask.host &&
         slow.ask.port == whole.ask.port && slow.ask.head == whole.ask.head && replies == other_replies);
    must(read_host(whole.ask.host.text) == whole.ask.host && whole.ask.port != 0);
    const std::string& head = whole.ask.head;
    must(head.find('\0') == std::string::npos);
    if (whole.ask.kind == ProxyKind::request) {
        must(head.ends_with("\r\n\r\n") && head.find("\r\n\r\n") == head.size() - 4);
        auto body = whole.ask.body;
        const auto taken = body.take(whole.ask.rest);
        must(!taken || *taken <= whole.ask.rest.size());
    } else {
        must(head.empty());
    }
}

void read_hello(std::string_view bytes) {
    const auto seen = read_client_hello(bytes);
    if (seen.kind == HelloSeen::Kind::named) {
        must(read_client_hello(std::string(bytes) + "x").name == seen.name);
    }
}

void read_name(std::string_view bytes) {
    if (const auto host = read_host(bytes)) {
        must(host->text.size() <= 253 && read_host(host->text) == host);
    }
    if (const auto rule = read_host_rule(bytes)) {
        must(rule->below || read_host(rule->host)->text == rule->host);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) {
        return 0;
    }
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 4) {
        case 0:
            read_request(bytes);
            break;
        case 1:
            read_hello(bytes);
            break;
        case 2:
            read_name(bytes);
            break;
        default: {
            auto body = RequestBody::chunked();
            auto slow = RequestBody::chunked();
            const auto taken = body.take(bytes);
            std::size_t sum = 0;
            bool good = true;
            for (std::size_t i = 0; i < bytes.size() && good && !slow.ended(); ++i) {
                const auto one = slow.take(bytes.substr(i, 1));
                good = one.has_value();
                sum += one.value_or(0);
            }
            must(taken.has_value() == good && (!good || (*taken == sum && body.ended() == slow.ended())));
        }
    }
    return 0;
}
