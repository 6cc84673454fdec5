// The first hello, the server's answer, and a second hello where it asks for one.
#include "sandbox/network/tls_opening.h"

#include <algorithm>
#include <array>
#include <utility>

namespace cellblock::sandbox::network {

namespace {

using Kind = HelloSeen::Kind;

constexpr std::uint16_t kHttps = 443;
constexpr std::uint8_t kChangeCipherSpec = 20;  // may stand before the second hello
constexpr std::uint8_t kHandshake = 22;
constexpr std::uint8_t kApplicationData = 23;  // early data, sent before the server's answer had come
constexpr std::uint8_t kServerHello = 2;
constexpr std::size_t kRecordHead = 5;
constexpr std::size_t kBeforeRandom = kRecordHead + 4 + 2;  // the message's head and its version
// The random of a ServerHello that is a HelloRetryRequest: the SHA-256 of that word (RFC 8446, 4.1.3).
constexpr std::array<std::uint8_t, 32> kRetry{
    0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91,
    0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C};
constexpr std::size_t kAnswer = kBeforeRandom + kRetry.size();

std::uint8_t byte_at(std::string_view bytes, std::size_t at) {
    return static_cast<std::uint8_t>(bytes[at]);
}

std::size_t record_size(std::string_view bytes) {
    return static_cast<std::size_t>(byte_at(bytes, 3)) << 8U | byte_at(bytes, 4);
}

}  // namespace

std::string TlsOpening::fault_of(const HelloSeen& seen) const {
    switch (seen.kind) {
        case Kind::no_tls:
            return is_inspected_     ? "what it sends isn't TLS, and the policy's rules are about requests"
                   : port_ == kHttps ? "what it sends to port 443 isn't TLS"
                                     : "";
        case Kind::no_name:
            return host_.is_address ? "" : "its TLS names no server";
        case Kind::broken:
            return "its TLS can't be read";
        case Kind::more:
        case Kind::named:
            break;
    }
    const bool other = seen.kind == Kind::named && read_host(seen.name) != host_;
    return other ? "its TLS names another server than " + host_.text : "";
}

TlsOpening::Step TlsOpening::pass_all() {
    stage_ = Stage::over;
    return {std::exchange(held_, {}), {}};
}

TlsOpening::Step TlsOpening::from_client(std::string_view bytes) {
    if (stage_ == Stage::over) {
        return {std::string(bytes), {}};
    }
    held_ += bytes;
    if (stage_ == Stage::hello) {
        return read_first();
    }
    if (held_.size() > kMostHeld) {
        return {{}, "it sends more than a hello before its TLS is answered"};
    }
    return stage_ == Stage::second_hello ? read_second() : Step{};
}

TlsOpening::Step TlsOpening::read_first() {
    const auto seen = read_client_hello(held_);
    if (std::string fault = fault_of(seen); !fault.empty()) {
        return {{}, std::move(fault)};
    }
    if (seen.kind == Kind::more) {
        return {};
    }
    if (seen.kind == Kind::no_tls || is_inspected_) {
        return pass_all();
    }
    stage_ = Stage::answer;
    Step step{held_.substr(0, seen.size), {}};
    held_.erase(0, seen.size);
    return step;
}

TlsOpening::Step TlsOpening::from_server(std::string_view bytes) {
    if (stage_ != Stage::answer) {
        return {};
    }
    answer_ += bytes.substr(0, kAnswer - answer_.size());
    const bool is_hello =
        answer_.empty() || (byte_at(answer_, 0) == kHandshake &&
                            (answer_.size() <= kRecordHead || byte_at(answer_, kRecordHead) == kServerHello));
    if (!is_hello) {
        return pass_all();  // an alert, or no TLS: it won't ask again
    }
    if (answer_.size() >= kRecordHead && record_size(answer_) < kAnswer - kRecordHead) {
        return {{}, "its server's TLS can't be read"};  // no server cuts a hello into pieces as small
    }
    if (answer_.size() < kAnswer) {
        return {};
    }
    const bool asks_again =
        std::equal(kRetry.begin(), kRetry.end(), answer_.begin() + kBeforeRandom,
                   [](std::uint8_t one, char other) { return one == static_cast<std::uint8_t>(other); });
    if (!asks_again) {
        return pass_all();
    }
    stage_ = Stage::second_hello;
    return read_second();
}

TlsOpening::Step TlsOpening::read_second() {
    std::string_view rest = held_;
    while (!rest.empty() && (byte_at(rest, 0) == kChangeCipherSpec || byte_at(rest, 0) == kApplicationData)) {
        if (rest.size() < kRecordHead || rest.size() - kRecordHead < record_size(rest)) {
            return {};
        }
        rest.remove_prefix(kRecordHead + record_size(rest));
    }
    const auto seen = read_client_hello(rest);
    if (seen.kind == Kind::more) {
        return {};
    }
    std::string fault = seen.kind == Kind::no_tls ? "its TLS can't be read" : fault_of(seen);
    return fault.empty() ? pass_all() : Step{{}, std::move(fault)};
}

}  // namespace cellblock::sandbox::network
