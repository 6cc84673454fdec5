// Addresses that the public Internet has.
//
// Purpose: a name that a policy allows may be given any address by whoever owns it. So what it resolves to is
// dialled only if it is globally reachable by IANA's registries of special-purpose addresses (IPv4 and IPv6,
// read 2026-11), or if the policy allows that very address. Addresses that have an IPv4 address in them
// (mapped, NAT64, 6to4, Teredo) are judged by what that stands for, or refused. Multicast and class E are
// refused. Pure functions, but own_addresses().
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cellblock::sandbox::network {

// A socket's address, IPv4 or IPv6.
struct Address {
    sockaddr_storage storage{};
    socklen_t size = 0;

    [[nodiscard]] std::string text() const;  // without the port
    void set_port(std::uint16_t port);
};

// nullopt: the text is no address.
std::optional<Address> read_address(const std::string& text);

bool is_public(const Address& address);

// This host's own, of all its interfaces at this moment, as text().
std::vector<std::string> own_addresses();

}  // namespace cellblock::sandbox::network
