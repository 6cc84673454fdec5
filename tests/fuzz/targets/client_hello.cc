// The beginning of TLS that a sandbox sends through a tunnel of the network's broker.
#include "sandbox/network/client_hello.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "tests/fuzz/must.h"

using namespace cellblock::sandbox::network;

namespace {

constexpr std::size_t kRecordHead = 5;
constexpr std::size_t kMessageHead = 4;

bool same(const HelloSeen& one, const HelloSeen& other) {
    return one.kind == other.kind && one.name == other.name;
}

// Of the records that a hello was read from: its handshake message, without what follows.
std::string message_of(std::string_view bytes) {
    const auto number = [](std::string_view text, std::size_t at, std::size_t size) {
        std::size_t value = 0;
        for (const char c : text.substr(at, size)) {
            value = value << 8U | static_cast<std::uint8_t>(c);
        }
        return value;
    };
    std::string message;
    while (bytes.size() >= kRecordHead &&
           (message.size() < kMessageHead || message.size() < kMessageHead + number(message, 1, 3))) {
        const auto size = number(bytes, 3, 2);
        message += bytes.substr(kRecordHead, size);
        bytes.remove_prefix(std::min(bytes.size(), kRecordHead + size));
    }
    message.resize(std::min(message.size(), kMessageHead + number(message, 1, 3)));
    return message;
}

std::string in_records(std::string_view message, std::size_t size) {
    std::string records;
    while (!message.empty()) {
        const auto piece = message.substr(0, size);
        records += {'\x16', '\x03', '\x01', static_cast<char>(piece.size() >> 8U),
                    static_cast<char>(piece.size() & 255U)};
        records += piece;
        message.remove_prefix(piece.size());
    }
    return records;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto seen = read_client_hello(bytes);
    must(seen.name.empty() || seen.kind == HelloSeen::Kind::named);
    // What was decided by the first bytes stays so, however the others come.
    const std::size_t step = 1 + size / 64;
    for (std::size_t part = 0; part < size; part += step) {
        const auto early = read_client_hello(bytes.substr(0, part));
        must(early.kind == HelloSeen::Kind::more || same(early, seen));
    }
    if (seen.kind == HelloSeen::Kind::named || seen.kind == HelloSeen::Kind::no_name) {
        must(same(read_client_hello(std::string(bytes) + "x"), seen));
        const auto message = message_of(bytes);
        for (const std::size_t record : {std::size_t{1}, std::size_t{7}, message.size()}) {
            const auto records = in_records(message, record);
            must(records.size() > kMostHello || same(read_client_hello(records), seen));
        }
    }
    return 0;
}
