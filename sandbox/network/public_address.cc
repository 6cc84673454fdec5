// IANA's registries as tables.
#include "sandbox/network/public_address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>

namespace cellblock::sandbox::network {

namespace {

using Ipv6 = std::array<std::uint8_t, 16>;

struct Range4 {
    const char* from;
    int bits;
};

// https://www.iana.org/assignments/iana-ipv4-special-registry: all that isn't "globally reachable", multicast
// (224/4) and what is reserved (240/4). Of 192.0.0.0/24 the two anycast addresses are left out of the net
// too: nobody needs them.
constexpr Range4 kNotPublic4[] = {
    {"0.0.0.0", 8},       {"10.0.0.0", 8},      {"100.64.0.0", 10},   {"127.0.0.0", 8},
    {"169.254.0.0", 16},  {"172.16.0.0", 12},   {"192.0.0.0", 24},    {"192.0.2.0", 24},
    {"192.31.196.0", 24}, {"192.52.193.0", 24}, {"192.88.99.0", 24},  {"192.168.0.0", 16},
    {"192.175.48.0", 24}, {"198.18.0.0", 15},   {"198.51.100.0", 24}, {"203.0.113.0", 24},
    {"224.0.0.0", 4},     {"240.0.0.0", 4},     {"168.63.129.16", 32}};  // Azure's own services

struct Range6 {
    const char* from;
    int bits;
};

// Only 2000::/3 is given out for the public (https://www.iana.org/assignments/ipv6-address-space). Of that,
// https://www.iana.org/assignments/iana-ipv6-special-registry: protocol assignments with Teredo and ORCHID,
// documentation, 6to4, AS112, and 3fff::/20.
constexpr Range6 kPublic6 = {"2000::", 3};
constexpr Range6 kNotPublic6[] = {
    {"2001::", 23}, {"2001:db8::", 32}, {"2002::", 16}, {"2620:4f:8000::", 48}, {"3fff::", 20}};
constexpr Range6 kNat64 = {"64:ff9b::", 96};
constexpr Range6 kMapped = {"::ffff:0:0", 96};

bool is_in(std::uint32_t address, const Range4& range) {
    in_addr from{};
    ::inet_pton(AF_INET, range.from, &from);
    const std::uint32_t mask = range.bits == 0 ? 0 : ~0U << (32 - range.bits);
    return (address & mask) == (ntohl(from.s_addr) & mask);
}

bool is_in(const Ipv6& address, const Range6& range) {
    Ipv6 from{};
    ::inet_pton(AF_INET6, range.from, from.data());
    for (int bit = 0; bit < range.bits; ++bit) {
        const auto byte = static_cast<std::size_t>(bit / 8);
        const int shift = 7 - bit % 8;
        if (((address[byte] ^ from[byte]) >> shift & 1) != 0) {
            return false;
        }
    }
    return true;
}

bool is_public4(std::uint32_t address) {
    return std::none_of(std::begin(kNotPublic4), std::end(kNotPublic4),
                        [&](const Range4& range) { return is_in(address, range); });
}

std::uint32_t last_four(const Ipv6& address) {
    return static_cast<std::uint32_t>(address[12]) << 24U | static_cast<std::uint32_t>(address[13]) << 16U |
           static_cast<std::uint32_t>(address[14]) << 8U | address[15];
}

bool is_public6(const Ipv6& address) {
    if (is_in(address, kMapped) || is_in(address, kNat64)) {
        return is_public4(last_four(address));
    }
    return is_in(address, kPublic6) &&
           std::none_of(std::begin(kNotPublic6), std::end(kNotPublic6),
                        [&](const Range6& range) { return is_in(address, range); });
}

}  // namespace

std::string Address::text() const {
    std::array<char, INET6_ADDRSTRLEN> shown{};
    const void* bytes =
        storage.ss_family == AF_INET
            ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr)
            : &reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr;
    return ::inet_ntop(storage.ss_family, bytes, shown.data(), shown.size()) != nullptr ? shown.data() : "";
}

void Address::set_port(std::uint16_t port) {
    if (storage.ss_family == AF_INET) {
        reinterpret_cast<sockaddr_in*>(&storage)->sin_port = htons(port);
    } else {
        reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port = htons(port);
    }
}

std::optional<Address> read_address(const std::string& text) {
    Address address;
    auto* four = reinterpret_cast<sockaddr_in*>(&address.storage);
    auto* six = reinterpret_cast<sockaddr_in6*>(&address.storage);
    if (::inet_pton(AF_INET, text.c_str(), &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        address.size = sizeof *four;
        return address;
    }
    if (::inet_pton(AF_INET6, text.c_str(), &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        address.size = sizeof *six;
        return address;
    }
    return std::nullopt;
}

bool is_public(const Address& address) {
    if (address.storage.ss_family == AF_INET) {
        return is_public4(ntohl(reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_addr.s_addr));
    }
    if (address.storage.ss_family != AF_INET6) {
        return false;
    }
    const auto& six = *reinterpret_cast<const sockaddr_in6*>(&address.storage);
    Ipv6 bytes{};
    std::memcpy(bytes.data(), &six.sin6_addr, bytes.size());
    return six.sin6_scope_id == 0 && is_public6(bytes);
}

std::vector<std::string> own_addresses() {
    std::vector<std::string> own;
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) {
        return own;
    }
    const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, &::freeifaddrs);
    for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
        const int family = one->ifa_addr != nullptr ? one->ifa_addr->sa_family : AF_UNSPEC;
        if (family == AF_INET || family == AF_INET6) {
            Address address;
            address.size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
            std::memcpy(&address.storage, one->ifa_addr, address.size);
            own.push_back(address.text());
        }
    }
    return own;
}

}  // namespace cellblock::sandbox::network
