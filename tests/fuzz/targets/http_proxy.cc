// HTTP that a sandbox writes to the network's broker: CONNECT, a request with its URL, a body in chunks.
#include <cstdint>
#include <string>
#include <string_view>

#include "sandbox/base/text.h"
#include "sandbox/network/proxy_request.h"
#include "tests/fuzz/must.h"
#include "tests/fuzz/proxy_reading.h"

using namespace cellblock::sandbox;
using namespace cellblock::sandbox::network;

namespace {

// What a server reads is one request, for the host that was asked for, and its body has one end.
void check_head(const std::string& head) {
    must(head.ends_with("\r\n\r\n") && head.find("\r\n\r\n") == head.size() - 4);
    std::size_t hosts = 0;
    std::size_t lengths = 0;
    std::size_t encodings = 0;
    std::string_view left(head);
    while (!left.empty()) {
        const auto line = left.substr(0, left.find("\r\n"));
        left.remove_prefix(line.size() + 2);
        must(line.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
        const auto name = lower(line.substr(0, line.find(':')));
        hosts += name == "host" ? 1U : 0U;
        lengths += name == "content-length" ? 1U : 0U;
        encodings += name == "transfer-encoding" ? 1U : 0U;
        must(name != "upgrade" && name != "proxy-authorization");
    }
    must(hosts == 1 && lengths + encodings <= 1);
}

void read_request(std::string_view bytes) {
    const auto reading = read_both_ways(bytes);
    if (reading.step.kind != ProxyStep::Kind::asked) {
        return;
    }
    const auto& ask = reading.step.ask;
    must(ask.kind != ProxyKind::socks && reading.replies.empty());
    if (ask.kind == ProxyKind::tunnel) {
        must(ask.head.empty());
        return;
    }
    check_head(ask.head);
    auto body = ask.body;
    const auto taken = body.take(ask.rest);
    must(!taken || *taken <= ask.rest.size());
    if (taken && body.ended()) {
        must(body.take("more") == std::optional<std::size_t>(0));
    }
}

void read_chunks(std::string_view bytes) {
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

}  // namespace

// Behind a NUL, with which no request begins: a body in chunks.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    if (bytes.starts_with('\x05')) {
        return -1;  // SOCKS
    }
    if (bytes.starts_with('\0')) {
        read_chunks(bytes.substr(1));
    } else {
        read_request(bytes);
    }
    return 0;
}
