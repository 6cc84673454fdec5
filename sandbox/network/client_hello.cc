// Reading TLS records as far as the server name.
#include "sandbox/network/client_hello.h"

#include <cstdint>
#include <optional>

namespace cellblock::sandbox::network {

namespace {

using Kind = HelloSeen::Kind;

constexpr std::uint8_t kHandshake = 22;
constexpr std::uint8_t kClientHello = 1;
constexpr std::size_t kRecordHead = 5;
constexpr std::size_t kMostRecord = 1U << 14;
constexpr std::size_t kRandom = 32;
constexpr unsigned kServerName = 0;
constexpr unsigned kHostName = 0;

// Numbers and pieces from the front of a text; once one is missing, nothing comes any more.
class Cursor {
public:
    explicit Cursor(std::string_view bytes) : bytes_(bytes) {}

    [[nodiscard]] bool good() const { return good_; }
    [[nodiscard]] bool empty() const { return bytes_.empty(); }

    std::string_view take(std::size_t size) {
        good_ = good_ && size <= bytes_.size();
        const auto piece = good_ ? bytes_.substr(0, size) : std::string_view();
        bytes_.remove_prefix(piece.size());
        return piece;
    }
    unsigned number(std::size_t size) {
        unsigned value = 0;
        for (const char byte : take(size)) {
            value = value << 8U | static_cast<std::uint8_t>(byte);
        }
        return value;
    }
    // A piece with its length in front.
    std::string_view counted(std::size_t size_of_length) { return take(number(size_of_length)); }

private:
    std::string_view bytes_;
    bool good_ = true;
};

// The handshake's bytes out of their records, as far as the first message goes, and these records'
// size; 0: the last isn't whole. nullopt: no handshake's record where one must be.
std::optional<std::string> joined_records(std::string_view bytes, std::size_t& size_of_records) {
    std::string out;
    const std::size_t all = bytes.size();
    while (!bytes.empty()) {
        Cursor head(bytes);
        const unsigned type = head.number(1);
        const unsigned major = head.number(1);
        head.number(1);
        const std::size_t size = head.number(2);
        if (type != kHandshake || (bytes.size() > 1 && major != 3) ||
            (head.good() && (size == 0 || size > kMostRecord))) {
            return std::nullopt;
        }
        if (!head.good() || bytes.size() - kRecordHead < size) {
            if (head.good()) {
                out += bytes.substr(kRecordHead);
            }
            size_of_records = 0;
            return out;
        }
        out += bytes.substr(kRecordHead, size);
        bytes.remove_prefix(kRecordHead + size);
        size_of_records = all - bytes.size();
        // A ClientHello is told by its own length; what follows it isn't ours to read.
        if (out.size() >= 4) {
            Cursor message(out);
            message.number(1);
            if (out.size() >= 4 + static_cast<std::size_t>(message.number(3))) {
                return out;
            }
        }
    }
    return out;
}

HelloSeen read_names(std::string_view list) {
    HelloSeen seen{Kind::no_name};
    Cursor names(Cursor(list).counted(2));
    if (list.size() < 2) {
        return {Kind::broken};
    }
    while (!names.empty()) {
        const unsigned type = names.number(1);
        const auto name = names.counted(2);
        if (!names.good() || type != kHostName || seen.kind == Kind::named) {
            return {Kind::broken};
        }
        seen = {Kind::named, std::string(name)};
    }
    return seen;
}

HelloSeen read_hello(std::string_view body) {
    Cursor hello(body);
    hello.number(2);
    hello.take(kRandom);
    hello.counted(1);
    hello.counted(2);
    hello.counted(1);
    if (!hello.good()) {
        return {Kind::broken};
    }
    HelloSeen seen{Kind::no_name};
    if (hello.empty()) {
        return seen;
    }
    Cursor extensions(hello.counted(2));
    if (!hello.good()) {
        return {Kind::broken};
    }
    bool found = false;
    while (!extensions.empty()) {
        const unsigned type = extensions.number(2);
        const auto content = extensions.counted(2);
        if (!extensions.good() || (type == kServerName && found)) {
            return {Kind::broken};
        }
        if (type == kServerName) {
            found = true;
            seen = read_names(content);
            if (seen.kind == Kind::broken) {
                return seen;
            }
        }
    }
    return seen;
}

}  // namespace

HelloSeen read_client_hello(std::string_view bytes) {
    if (bytes.empty()) {
        return {Kind::more};
    }
    if (static_cast<std::uint8_t>(bytes.front()) != kHandshake) {
        return {Kind::no_tls};
    }
    std::size_t size = 0;
    const auto handshake = joined_records(bytes.substr(0, kMostHello), size);
    if (!handshake) {
        return {Kind::broken};
    }
    Cursor message(*handshake);
    const unsigned type = message.number(1);
    const auto body = message.counted(3);
    if (!handshake->empty() && type != kClientHello) {
        return {Kind::broken};
    }
    if (!message.good()) {
        return {bytes.size() >= kMostHello ? Kind::broken : Kind::more};
    }
    if (!message.empty() || size == 0) {
        return {Kind::broken};  // another message in the same record
    }
    HelloSeen seen = read_hello(body);
    seen.size = seen.kind == Kind::broken ? 0 : size;
    return seen;
}

}  // namespace cellblock::sandbox::network
